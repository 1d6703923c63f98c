//! Writes a model in diffusers' folder layout.

use std::path::Path;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::draft::{Empty, write_whole};
use super::text::{self, TextFolders};
use super::{DenoisingNetwork, DiffusionModel, ModelError, index};
use crate::clip::{ClipTextConfig, ClipTextModel, TEXT_MODEL_NAMES};
use crate::nn::weights::{Dtype, TensorMap, module_tensors, write_safetensors};
use crate::scheduler::SchedulerKind;
use crate::tokenizer::Tokenizer;
use crate::vae::AUTOENCODER_NAMES;

/// Name of the file of weights of a denoiser and of an autoencoder.
const DENOISER_WEIGHTS: &str = "diffusion_pytorch_model.safetensors";

/// Name of the file of weights of a text encoder.
const TEXT_WEIGHTS: &str = "model.safetensors";

impl DiffusionModel {
    /// Writes the model to a new folder that diffusers' `StableDiffusionPipeline` or
    /// `StableDiffusionXLPipeline` can load, with the weights cast to `dtype`, or as they are.
    ///
    /// The folder appears complete or not at all. Adapters are not written: they have files of
    /// their own.
    ///
    /// # Errors
    /// When the folder exists or cannot be written.
    pub fn write(&self, path: &Path, dtype: Option<Dtype>) -> Result<(), ModelError> {
        write_whole(path, Empty::Refused, |folder| self.write_into(folder, dtype))
    }

    fn write_into(&self, folder: &Path, dtype: Option<Dtype>) -> Result<(), ModelError> {
        let scheduler = self.scheduler_class();
        let text_class = self.text_config.class();
        create(folder)?;
        write_json(
            &folder.join("model_index.json"),
            &index::describe(
                scheduler,
                text_class,
                self.second_text_encoder
                    .as_ref()
                    .map(|second| second.force_zeros_for_empty_prompt),
            ),
        )?;
        let stored = DENOISER_WEIGHTS;
        component(folder, "unet", "config.json", &self.network.config_file())?;
        weights(folder, "unet", stored, &self.network.stored_tensors(), dtype)?;
        let config = with_fields(&self.vae_config, &[("_class_name", json!("AutoencoderKL"))]);
        component(folder, "vae", "config.json", &config)?;
        weights(
            folder,
            "vae",
            stored,
            &module_tensors(&self.vae, &AUTOENCODER_NAMES),
            dtype,
        )?;
        text(
            folder,
            text::FIRST,
            (&self.text_encoder, &self.text_config, &self.tokenizer),
            dtype,
        )?;
        if let Some(second) = &self.second_text_encoder {
            text(
                folder,
                text::SECOND,
                (&second.text_encoder, &second.text_config, &second.tokenizer),
                dtype,
            )?;
        }
        let config = with_fields(&self.scheduler_config, &[("_class_name", json!(scheduler))]);
        component(folder, "scheduler", "scheduler_config.json", &config)
    }

    /// The scheduler named in the files: one whose every setting is known here.
    fn scheduler_class(&self) -> &'static str {
        SchedulerKind::of_class(&self.scheduler_config.class_name)
            .unwrap_or(SchedulerKind::Ddim)
            .class_name()
    }
}

impl DenoisingNetwork {
    /// Writes configuration and weights into the folder of the denoiser in a model's folder, as they are.
    ///
    /// For who changes the denoiser of a model and hands on the rest of it.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write_component(&self, model: &Path) -> Result<(), ModelError> {
        component(model, "unet", "config.json", &self.config_file())?;
        weights(model, "unet", DENOISER_WEIGHTS, &self.stored_tensors(), None)
    }
}

/// Writes the weights of a model's first text encoder into its folder in a model's folder, as they are; its
/// configuration is not written.
///
/// # Errors
/// When the file cannot be written.
pub fn write_text_encoder_weights(model: &Path, encoder: &ClipTextModel) -> Result<(), ModelError> {
    let name = text::FIRST.encoder;
    create(&model.join(name))?;
    weights(
        model,
        name,
        TEXT_WEIGHTS,
        &module_tensors(encoder, &TEXT_MODEL_NAMES),
        None,
    )
}

/// Writes a text encoder and its tokenizer.
fn text(
    folder: &Path,
    folders: TextFolders,
    (encoder, config, tokenizer): (&ClipTextModel, &ClipTextConfig, &Tokenizer),
    dtype: Option<Dtype>,
) -> Result<(), ModelError> {
    let fields = [
        ("model_type", json!("clip_text_model")),
        ("architectures", json!([config.class()])),
    ];
    component(
        folder,
        folders.encoder,
        "config.json",
        &with_fields(config, &fields),
    )?;
    let tensors = module_tensors(encoder, &TEXT_MODEL_NAMES);
    weights(folder, folders.encoder, TEXT_WEIGHTS, &tensors, dtype)?;
    tokenizer
        .write(&folder.join(folders.tokenizer))
        .map_err(|source| ModelError::Tokenizer { source })
}

pub(super) fn with_fields(config: &impl Serialize, fields: &[(&str, Value)]) -> Value {
    let mut object = match serde_json::to_value(config) {
        Ok(Value::Object(object)) => object,
        _ => Map::new(),
    };
    for (key, value) in fields {
        object.insert((*key).to_owned(), value.clone());
    }
    Value::Object(object)
}

pub(super) fn component(folder: &Path, name: &str, file: &str, config: &Value) -> Result<(), ModelError> {
    create(&folder.join(name))?;
    write_json(&folder.join(name).join(file), config)
}

fn weights(
    folder: &Path,
    component: &'static str,
    file: &str,
    tensors: &TensorMap,
    dtype: Option<Dtype>,
) -> Result<(), ModelError> {
    write_safetensors(&folder.join(component).join(file), tensors, dtype)
        .map_err(|source| ModelError::Weights { component, source })
}

pub(super) fn create(folder: &Path) -> Result<(), ModelError> {
    std::fs::create_dir_all(folder).map_err(|source| ModelError::Write {
        path: folder.to_owned(),
        source,
    })
}

pub(super) fn write_json(path: &Path, value: &Value) -> Result<(), ModelError> {
    std::fs::write(path, format!("{value:#}\n")).map_err(|source| ModelError::Write {
        path: path.to_owned(),
        source,
    })
}
