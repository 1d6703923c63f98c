//! The shape of a vision model.

use mitune_diffusion::clip::HiddenActivation;
use mitune_diffusion::config_fields::{ConfigFields, POSITIVE, SettingError, TRANSFORMERS, number, positive};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::ClipError;

/// The shape of a [`ClipVisionModel`](super::ClipVisionModel), the `vision_config` of a CLIP's `config.json`.
///
/// Defaults are those of transformers' `CLIPVisionConfig`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClipVisionConfig {
    /// Width of the hidden states.
    pub hidden_size: usize,
    /// Width inside the feed-forward layers.
    pub intermediate_size: usize,
    /// Number of transformer layers.
    pub num_hidden_layers: usize,
    /// Number of attention heads.
    pub num_attention_heads: usize,
    /// Side of the square images, in pixels.
    pub image_size: usize,
    /// Side of the square patches, in pixels.
    pub patch_size: usize,
    /// Activation of the feed-forward layers.
    pub hidden_act: HiddenActivation,
    /// Constant under the root of every layer normalization.
    pub layer_norm_eps: f64,
}

/// The most patches of an image; published models have up to 1024.
const MOST_PATCHES: usize = 1 << 16;

impl ClipVisionConfig {
    /// Patches in a row of the image; what is left over at its right and lower edge is not looked at.
    pub fn patches_per_side(&self) -> usize {
        self.image_size / self.patch_size
    }

    /// Tokens of an image: one per patch and the class token.
    pub fn tokens(&self) -> usize {
        self.patches_per_side() * self.patches_per_side() + 1
    }

    /// Checks that a model of this configuration can be built.
    ///
    /// # Errors
    /// What is wrong with it first.
    pub fn validate(&self) -> Result<(), ClipError> {
        let wrong = |reason: String| Err(ClipError::Vision { reason });
        let sizes = [
            ("hidden_size", self.hidden_size),
            ("intermediate_size", self.intermediate_size),
            ("num_hidden_layers", self.num_hidden_layers),
            ("num_attention_heads", self.num_attention_heads),
            ("image_size", self.image_size),
            ("patch_size", self.patch_size),
        ];
        for (field, size) in sizes {
            let most = if field == "num_hidden_layers" {
                1024
            } else {
                65_536
            };
            if !(1..=most).contains(&size) {
                return wrong(format!("`{field}` is {size}, expected 1 to {most}"));
            }
        }
        if !self.hidden_size.is_multiple_of(self.num_attention_heads) {
            let (width, heads) = (self.hidden_size, self.num_attention_heads);
            return wrong(format!(
                "`hidden_size` {width} is not a multiple of `num_attention_heads` {heads}"
            ));
        }
        if self.patch_size > self.image_size || self.tokens() > MOST_PATCHES {
            let (patch, image) = (self.patch_size, self.image_size);
            return wrong(format!(
                "An image of {image} pixels has no sensible number of patches of {patch}"
            ));
        }
        if !self.layer_norm_eps.is_finite() || self.layer_norm_eps <= 0.0 {
            return wrong(format!(
                "`layer_norm_eps` is {}, expected a positive number",
                self.layer_norm_eps
            ));
        }
        Ok(())
    }
}

impl Default for ClipVisionConfig {
    fn default() -> Self {
        Self {
            hidden_size: 768,
            intermediate_size: 3072,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            image_size: 224,
            patch_size: 32,
            hidden_act: HiddenActivation::QuickGelu,
            layer_norm_eps: 1e-5,
        }
    }
}

/// Settings that only matter in training, or to what is returned besides the result. The projection's width is that of
/// the whole CLIP.
const IRRELEVANT: [&str; 15] = [
    "attention_dropout",
    "dropout",
    "dtype",
    "gradient_checkpointing",
    "id2label",
    "initializer_factor",
    "initializer_range",
    "label2id",
    "output_attentions",
    "output_hidden_states",
    "projection_dim",
    "return_dict",
    "tie_word_embeddings",
    "torch_dtype",
    "use_cache",
];

impl TryFrom<Map<String, Value>> for ClipVisionConfig {
    type Error = SettingError;

    fn try_from(fields: Map<String, Value>) -> Result<Self, SettingError> {
        let mut fields = ConfigFields::new(fields, TRANSFORMERS);
        let default = Self::default();
        let config = Self {
            hidden_size: fields.take("hidden_size", POSITIVE, default.hidden_size, positive)?,
            intermediate_size: fields.take(
                "intermediate_size",
                POSITIVE,
                default.intermediate_size,
                positive,
            )?,
            num_hidden_layers: fields.take(
                "num_hidden_layers",
                POSITIVE,
                default.num_hidden_layers,
                positive,
            )?,
            num_attention_heads: fields.take(
                "num_attention_heads",
                POSITIVE,
                default.num_attention_heads,
                positive,
            )?,
            image_size: fields.take("image_size", "one side from 1 to 65536", default.image_size, side)?,
            patch_size: fields.take("patch_size", "one side from 1 to 65536", default.patch_size, side)?,
            hidden_act: fields.take(
                "hidden_act",
                "`quick_gelu` or `gelu`",
                default.hidden_act,
                activation,
            )?,
            layer_norm_eps: fields.take("layer_norm_eps", "a number", default.layer_norm_eps, number)?,
        };
        fields.refuse("num_channels", &[json!(3)])?;
        fields.refuse("model_type", &[json!("clip_vision_model"), Value::Null])?;
        fields.refuse("chunk_size_feed_forward", &[json!(0), Value::Null])?;
        fields.refuse("pruned_heads", &[json!({}), Value::Null])?;
        fields.refuse("quantization_config", &[Value::Null])?;
        fields.ignore(&IRRELEVANT);
        fields.finish()?;
        Ok(config)
    }
}

/// The side of a square, also written as height and width.
pub(crate) fn side(value: &Value) -> Option<usize> {
    match value.as_array().map(Vec::as_slice) {
        Some([height, width]) => positive(height).filter(|height| positive(width) == Some(*height)),
        Some(_) => None,
        None => positive(value),
    }
}

fn activation(value: &Value) -> Option<HiddenActivation> {
    match value.as_str()? {
        "quick_gelu" => Some(HiddenActivation::QuickGelu),
        "gelu" => Some(HiddenActivation::Gelu),
        _ => None,
    }
}
