//! The list of a model's components, `model_index.json`.

use std::error::Error;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::ModelError;
use crate::config_fields::{ConfigFields, DIFFUSERS};
use crate::input_file::read_object;
use crate::scheduler::SchedulerConfig;

const ONE_ENCODER: &str = "StableDiffusionPipeline";
const TWO_ENCODERS: &str = "StableDiffusionXLPipeline";

/// What an index says that matters here.
///
/// Other entries, such as `safety_checker` and `feature_extractor`, have no part in the images and
/// are passed over.
#[derive(Debug)]
pub(super) struct Index {
    class: String,
    /// Class of the scheduler, where it says one.
    scheduler: Option<String>,
    /// Whether an empty negative prompt is all zeros; XL only, and true unless it says otherwise.
    pub(super) force_zeros_for_empty_prompt: bool,
}

impl Index {
    /// Reads the index and checks that the model can be loaded.
    pub(super) fn read(folder: &Path) -> Result<Self, ModelError> {
        let path = folder.join("model_index.json");
        let fields = read_object(&path)?;
        check_class(
            &path,
            "_class_name",
            fields.get("_class_name"),
            &[ONE_ENCODER, TWO_ENCODERS],
        )?;
        check_rest(&path, &fields)?;
        let text = |field: &str| fields.get(field).and_then(Value::as_str).unwrap_or_default();
        let scheduler = fields.get("scheduler").and_then(|entry| entry.get(1)?.as_str());
        let index = Self {
            class: text("_class_name").to_owned(),
            scheduler: scheduler.map(str::to_owned),
            force_zeros_for_empty_prompt: fields
                .get("force_zeros_for_empty_prompt")
                .and_then(Value::as_bool)
                .unwrap_or(true),
        };
        let entry = |component| {
            fields.get(component).ok_or_else(|| ModelError::NoComponent {
                path: path.clone(),
                component,
            })
        };
        for (component, expected) in index.components() {
            check_class(&path, component, entry(component)?.get(1), expected)?;
        }
        entry("scheduler")?;
        Ok(index)
    }

    pub(super) fn has_second_text_encoder(&self) -> bool {
        self.class == TWO_ENCODERS
    }

    /// The settings of the scheduler, as a scheduler of the class that the index names.
    ///
    /// Pipelines of diffusers build that class, whatever class wrote the settings.
    pub(super) fn scheduler_config(&self, folder: &Path) -> Result<SchedulerConfig, ModelError> {
        let config: SchedulerConfig = read_config(&folder.join("scheduler/scheduler_config.json"))?;
        let config = match &self.scheduler {
            Some(class) => SchedulerConfig {
                class_name: class.clone(),
                ..config
            },
            None => config,
        };
        Ok(match self.has_second_text_encoder() {
            true => config,
            false => config.of_stable_diffusion(),
        })
    }

    /// Components, and the classes supported for each.
    fn components(&self) -> Vec<(&'static str, &'static [&'static str])> {
        let tokenizers: &[&str] = &["CLIPTokenizer", "CLIPTokenizerFast"];
        let mut components: Vec<(&'static str, &'static [&'static str])> = vec![
            ("unet", &["UNet2DConditionModel"]),
            ("vae", &["AutoencoderKL"]),
            ("text_encoder", &["CLIPTextModel", "CLIPTextModelWithProjection"]),
            ("tokenizer", tokenizers),
        ];
        if self.has_second_text_encoder() {
            components.push(("text_encoder_2", &["CLIPTextModelWithProjection"]));
            components.push(("tokenizer_2", tokenizers));
        }
        components
    }
}

fn check_class(
    path: &Path,
    component: &'static str,
    found: Option<&Value>,
    expected: &[&'static str],
) -> Result<(), ModelError> {
    if found
        .and_then(Value::as_str)
        .is_some_and(|found| expected.contains(&found))
    {
        return Ok(());
    }
    let names: Vec<String> = expected.iter().map(|name| format!("`{name}`")).collect();
    Err(ModelError::Class {
        path: path.to_owned(),
        component,
        found: match found {
            None => "nothing".to_owned(),
            Some(Value::String(name)) => format!("`{name}`"),
            Some(other) => format!("`{other}`"),
        },
        expected: names.join(", "),
    })
}

/// Entries beside the components that images are made with; pipelines drop all others.
const WITHOUT_PART: [&str; 7] = [
    "add_watermarker",
    "feature_extractor",
    "force_zeros_for_empty_prompt",
    "image_encoder",
    "is_unet_version_less_0_9_0",
    "requires_safety_checker",
    "safety_checker",
];

/// Checks that nothing else is listed that would change the images.
fn check_rest(path: &Path, fields: &Map<String, Value>) -> Result<(), ModelError> {
    let mut rest = ConfigFields::new(fields.clone(), DIFFUSERS);
    let components = [
        "scheduler",
        "text_encoder",
        "text_encoder_2",
        "tokenizer",
        "tokenizer_2",
        "unet",
        "vae",
    ];
    rest.ignore(&components);
    rest.ignore(&WITHOUT_PART);
    rest.finish().map_err(|source| unusable(path, source))
}

/// The index of a model that is written, with the second text encoder's
/// `force_zeros_for_empty_prompt` where there is one.
pub(super) fn describe(scheduler: &str, text_encoder: &str, second: Option<bool>) -> Value {
    let mut index = json!({
        "_class_name": ONE_ENCODER,
        "_diffusers_version": "0.42.1",
        "feature_extractor": [null, null],
        "image_encoder": [null, null],
        "scheduler": ["diffusers", scheduler],
        "text_encoder": ["transformers", text_encoder],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    });
    match second {
        None => {
            index["requires_safety_checker"] = json!(false);
            index["safety_checker"] = json!([null, null]);
        }
        Some(force_zeros) => {
            index["_class_name"] = json!(TWO_ENCODERS);
            index["force_zeros_for_empty_prompt"] = json!(force_zeros);
            index["text_encoder_2"] = json!(["transformers", "CLIPTextModelWithProjection"]);
            index["tokenizer_2"] = json!(["transformers", "CLIPTokenizer"]);
        }
    }
    index
}

/// Reads a configuration.
///
/// # Errors
/// When it cannot be read, or asks for what is not supported.
pub(super) fn read_config<T>(path: &Path) -> Result<T, ModelError>
where
    T: TryFrom<Map<String, Value>>,
    T::Error: Error + Send + Sync + 'static,
{
    T::try_from(read_object(path)?).map_err(|source| unusable(path, source))
}

/// Reads the configuration of a component that is of one of some classes, where it names one.
pub(super) fn read_component<T>(
    folder: &Path,
    component: &'static str,
    classes: &[&'static str],
) -> Result<T, ModelError>
where
    T: TryFrom<Map<String, Value>>,
    T::Error: Error + Send + Sync + 'static,
{
    let path = folder.join(component).join("config.json");
    let fields = read_object(&path)?;
    let class = fields.get("_class_name");
    if class.is_some_and(|class| !class.is_null()) {
        check_class(&path, component, class, classes)?;
    }
    T::try_from(fields).map_err(|source| unusable(&path, source))
}

fn unusable(path: &Path, source: impl Error + Send + Sync + 'static) -> ModelError {
    ModelError::Config {
        path: path.to_owned(),
        source: Box::new(source),
    }
}
