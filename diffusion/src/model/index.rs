//! The list of a model's components, `model_index.json`.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::ModelError;

/// The one kind of model that is supported.
const PIPELINE: &str = "StableDiffusionPipeline";

/// Checks that an index lists a model that can be loaded.
pub(super) fn check(folder: &Path) -> Result<(), ModelError> {
    let path = folder.join("model_index.json");
    if !path.exists() {
        return Err(ModelError::NotAModel {
            path: folder.to_owned(),
        });
    }
    let index: Map<String, Value> = read_json(&path)?;
    let class = |component, found: Option<&Value>, expected: &[&'static str]| {
        let found = found.and_then(Value::as_str).unwrap_or("null");
        match expected.contains(&found) {
            true => Ok(()),
            false => Err(ModelError::Class {
                path: path.clone(),
                component,
                found: found.to_owned(),
                expected: expected.first().copied().unwrap_or_default(),
            }),
        }
    };
    class("_class_name", index.get("_class_name"), &[PIPELINE])?;
    let components: [(&'static str, &[&'static str]); 4] = [
        ("unet", &["UNet2DConditionModel"]),
        ("vae", &["AutoencoderKL"]),
        ("text_encoder", &["CLIPTextModel", "CLIPTextModelWithProjection"]),
        ("tokenizer", &["CLIPTokenizer", "CLIPTokenizerFast"]),
    ];
    for (component, expected) in components {
        let entry = index.get(component).ok_or_else(|| ModelError::NoComponent {
            path: path.clone(),
            component,
        })?;
        class(component, entry.get(1), expected)?;
    }
    match index.contains_key("scheduler") {
        true => Ok(()),
        false => Err(ModelError::NoComponent {
            path,
            component: "scheduler",
        }),
    }
}

/// The index of a model that is written.
pub(super) fn describe(scheduler: &str, text_encoder: &str) -> Value {
    json!({
        "_class_name": PIPELINE,
        "_diffusers_version": "0.42.1",
        "feature_extractor": [null, null],
        "image_encoder": [null, null],
        "requires_safety_checker": false,
        "safety_checker": [null, null],
        "scheduler": ["diffusers", scheduler],
        "text_encoder": ["transformers", text_encoder],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    })
}

/// Reads a JSON file.
pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, ModelError> {
    let text = std::fs::read(path).map_err(|source| ModelError::Read {
        path: path.to_owned(),
        source,
    })?;
    serde_json::from_slice(&text).map_err(|source| ModelError::Config {
        path: path.to_owned(),
        source,
    })
}
