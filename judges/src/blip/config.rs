//! `config.json` of transformers' BLIP.

use mitune_diffusion::config_fields::{ConfigFields, SettingError, TRANSFORMERS, number, positive, text};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::error::{BlipError, MOST, MOST_LAYERS, check_at_most, check_epsilon, check_heads};
use super::text_config::BlipTextConfig;

/// The shape of a [`BlipVisionModel`](super::BlipVisionModel); defaults are those of transformers' `BlipVisionConfig`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BlipVisionConfig {
    /// Width of the hidden states.
    pub hidden_size: usize,
    /// Width inside the feed-forward layers.
    pub intermediate_size: usize,
    /// Number of layers.
    pub num_hidden_layers: usize,
    /// Number of attention heads.
    pub num_attention_heads: usize,
    /// Side of the square image, in pixels.
    pub image_size: usize,
    /// Side of a square patch, in pixels.
    pub patch_size: usize,
    /// Constant under the root of every layer normalisation.
    pub layer_norm_eps: f64,
}

/// The shape of a [`BlipForQuestionAnswering`](super::BlipForQuestionAnswering).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BlipVqaConfig {
    /// What sees the image.
    pub vision_config: BlipVisionConfig,
    /// What reads the question, and what answers.
    pub text_config: BlipTextConfig,
}

/// What a field of a size must be.
pub(super) const SIZE: &str = "a whole number from 1 to 65536";

/// Fields that cannot change an answer: they are about training, or about what is returned beside it.
pub(super) const IRRELEVANT: [&str; 24] = [
    "architectures",
    "attention_dropout",
    "attention_probs_dropout_prob",
    "chunk_size_feed_forward",
    "dropout",
    "dtype",
    "eos_token_id",
    "gradient_checkpointing",
    "hidden_dropout_prob",
    "id2label",
    "initializer_factor",
    "initializer_range",
    "label2id",
    "label_smoothing",
    "model_type",
    "output_attentions",
    "output_hidden_states",
    "pad_token_id",
    "projection_dim",
    "return_dict",
    "sep_token_id",
    "tie_word_embeddings",
    "torch_dtype",
    "use_cache",
];

impl BlipVisionConfig {
    /// Patches along a side of the image.
    pub fn patches_per_side(&self) -> usize {
        self.image_size / self.patch_size
    }

    /// Number of tokens: one per patch, and the class token before them.
    pub fn tokens(&self) -> usize {
        self.patches_per_side().pow(2) + 1
    }

    /// The same for images of another side, in pixels.
    #[must_use]
    pub fn with_image_size(&self, image_size: usize) -> Self {
        Self {
            image_size,
            ..self.clone()
        }
    }

    /// Checks that a model of this configuration can be built.
    ///
    /// # Errors
    /// The first field that is out of range.
    pub fn validate(&self) -> Result<(), BlipError> {
        check_at_most("vision_config.hidden_size", self.hidden_size, MOST)?;
        check_at_most("vision_config.intermediate_size", self.intermediate_size, MOST)?;
        check_at_most(
            "vision_config.num_hidden_layers",
            self.num_hidden_layers,
            MOST_LAYERS,
        )?;
        check_at_most("vision_config.image_size", self.image_size, 8192)?;
        check_at_most("vision_config.patch_size", self.patch_size, self.image_size)?;
        check_heads(
            "vision_config.num_attention_heads",
            self.hidden_size,
            self.num_attention_heads,
        )?;
        check_epsilon("vision_config.layer_norm_eps", self.layer_norm_eps)?;
        match self.image_size.is_multiple_of(self.patch_size) {
            true => Ok(()),
            false => Err(BlipError::Range {
                field: "vision_config.patch_size",
                found: self.patch_size.to_string(),
                expected: format!("a divisor of the image's side {}", self.image_size),
            }),
        }
    }

    fn read(fields: Map<String, Value>) -> Result<Self, SettingError> {
        let mut fields = ConfigFields::new(fields, TRANSFORMERS);
        let mut size = |field: &str, default: usize| fields.take(field, SIZE, default, positive);
        let hidden_size = size("hidden_size", 768)?;
        let intermediate_size = size("intermediate_size", 3072)?;
        let num_hidden_layers = size("num_hidden_layers", 12)?;
        let num_attention_heads = size("num_attention_heads", 12)?;
        let image_size = size("image_size", 384)?;
        let patch_size = size("patch_size", 16)?;
        let layer_norm_eps = fields.take("layer_norm_eps", "a number", 1e-5, number)?;
        take_activation(&mut fields)?;
        take_nothing_pruned(&mut fields)?;
        fields.ignore(&IRRELEVANT);
        fields.finish()?;
        Ok(Self {
            hidden_size,
            intermediate_size,
            num_hidden_layers,
            num_attention_heads,
            image_size,
            patch_size,
            layer_norm_eps,
        })
    }
}

impl BlipVqaConfig {
    /// Reads the fields of a `config.json`.
    ///
    /// # Errors
    /// When it is of another network, or asks for something that is not supported.
    pub fn from_fields(mut file: Map<String, Value>) -> Result<Self, BlipError> {
        let parts = ["vision_config", "text_config"].map(|part| part_of(&mut file, part));
        let [vision, text_part] = parts;
        let mut fields = ConfigFields::new(file, TRANSFORMERS);
        let class = "a list with `BlipForQuestionAnswering`";
        fields.take_optional("architectures", class, |value| {
            let mut names = value.as_array()?.iter().filter_map(text);
            names.any(|name| name == "BlipForQuestionAnswering").then_some(())
        })?;
        fields.take("model_type", "`blip`", (), |value| {
            (value.as_str() == Some("blip")).then_some(())
        })?;
        fields.refuse("quantization_config", &[Value::Null])?;
        fields.ignore(&IRRELEVANT);
        fields.ignore(&["logit_scale_init_value", "image_text_hidden_size"]);
        fields.finish()?;
        let vision_config =
            BlipVisionConfig::read(vision?).map_err(|error| within("vision_config", error))?;
        let text_config = BlipTextConfig::read(text_part?, vision_config.hidden_size)
            .map_err(|error| within("text_config", error))?;
        let config = Self {
            vision_config,
            text_config,
        };
        config.validate()?;
        Ok(config)
    }

    /// Checks that a model of this configuration can be built.
    ///
    /// # Errors
    /// The first field that is out of range.
    pub fn validate(&self) -> Result<(), BlipError> {
        self.vision_config.validate()?;
        self.text_config.validate()?;
        // transformers builds the decoder's cross-attention for the image's width, and shows it the question's states.
        match self.vision_config.hidden_size == self.text_config.hidden_size {
            true => Ok(()),
            false => Err(BlipError::Range {
                field: "vision_config.hidden_size",
                found: self.vision_config.hidden_size.to_string(),
                expected: format!("that of the text, {}", self.text_config.hidden_size),
            }),
        }
    }
}

/// Takes a part of the file, which says as well which version wrote it.
fn part_of(file: &mut Map<String, Value>, part: &'static str) -> Result<Map<String, Value>, SettingError> {
    const VERSION: &str = "transformers_version";
    let mut fields = match file.remove(part) {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(fields)) => fields,
        Some(other) => {
            return Err(SettingError::Unsupported {
                field: part.to_owned(),
                found: other.to_string(),
                supported: "settings in braces".to_owned(),
            });
        }
    };
    if let (Some(version), false) = (file.get(VERSION), fields.contains_key(VERSION)) {
        fields.insert(VERSION.to_owned(), version.clone());
    }
    Ok(fields)
}

/// Names the part that a field is in.
fn within(part: &str, error: SettingError) -> SettingError {
    let name = |field: String| format!("{part}.{field}");
    match error {
        SettingError::Unsupported {
            field,
            found,
            supported,
        } => SettingError::Unsupported {
            field: name(field),
            found,
            supported,
        },
        SettingError::Unknown { field, found, writer } => SettingError::Unknown {
            field: name(field),
            found,
            writer,
        },
        other => other,
    }
}

/// Every BLIP has the exact GELU.
pub(super) fn take_activation(fields: &mut ConfigFields) -> Result<(), SettingError> {
    fields.take("hidden_act", "`gelu`", (), |value| {
        (value.as_str() == Some("gelu")).then_some(())
    })
}

/// Files of older versions say that no head was taken out.
pub(super) fn take_nothing_pruned(fields: &mut ConfigFields) -> Result<(), SettingError> {
    fields.refuse("pruned_heads", &[json!({}), Value::Null])
}
