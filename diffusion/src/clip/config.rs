//! A text model's `config.json`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::config_fields::{ConfigFields, SettingError, TRANSFORMERS, number, text, whole};

/// The shape of a [`ClipTextModel`](super::ClipTextModel), read from `text_encoder/config.json`.
///
/// Defaults are those of transformers' `CLIPTextConfig`. Of a configuration of a whole CLIP, the part of the text is
/// taken, as transformers does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Map<String, Value>")]
pub struct ClipTextConfig {
    /// Number of tokens in the vocabulary.
    pub vocab_size: usize,
    /// Width of the hidden states.
    pub hidden_size: usize,
    /// Width inside the feed-forward layers.
    pub intermediate_size: usize,
    /// Width of the projected pooled output, when the model has a projection.
    pub projection_dim: usize,
    /// Number of transformer layers.
    pub num_hidden_layers: usize,
    /// Number of attention heads.
    pub num_attention_heads: usize,
    /// Longest sequence, in tokens.
    pub max_position_embeddings: usize,
    /// Activation of the feed-forward layers.
    pub hidden_act: HiddenActivation,
    /// Constant under the root of every layer normalization.
    pub layer_norm_eps: f64,
    /// Token at the start of a sequence.
    pub bos_token_id: Option<i64>,
    /// Token that the pooled output is taken at; 2, a mistake in early published models, means the
    /// largest id of the sequence.
    pub eos_token_id: Option<i64>,
    /// Token that fills a sequence up.
    pub pad_token_id: Option<i64>,
    /// Classes that can be built from this; the first decides whether there is a projection.
    pub architectures: Option<Vec<String>>,
}

/// Activation of the feed-forward layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HiddenActivation {
    /// `x sigmoid(1.702 x)`, of OpenAI's models.
    #[default]
    QuickGelu,
    /// `x Phi(x)` with the exact normal distribution function, of OpenCLIP's models.
    Gelu,
}

/// A text model configuration that cannot be built.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ClipTextConfigError {
    /// A size is zero.
    #[error("`{field}` is 0, expected at least 1")]
    Zero {
        /// The field.
        field: &'static str,
    },
    /// The width cannot be split into heads.
    #[error("`hidden_size` {width} is not a multiple of `num_attention_heads` {heads}")]
    Heads {
        /// Width of the hidden states.
        width: usize,
        /// Number of heads.
        heads: usize,
    },
    /// A number is outside its range.
    #[error("`{field}` is {found}, expected {expected}")]
    Range {
        /// The field.
        field: &'static str,
        /// Its value.
        found: String,
        /// What it must be.
        expected: &'static str,
    },
}

impl ClipTextConfig {
    /// Whether the pooled output is projected (`CLIPTextModelWithProjection`).
    pub fn has_projection(&self) -> bool {
        self.architectures
            .iter()
            .flatten()
            .any(|class| class == "CLIPTextModelWithProjection")
    }

    /// The class of transformers that this is a configuration of.
    pub fn class(&self) -> &'static str {
        match self.has_projection() {
            true => "CLIPTextModelWithProjection",
            false => "CLIPTextModel",
        }
    }

    /// Checks that a model of this configuration can be built.
    ///
    /// # Errors
    /// The first field that is out of range.
    pub fn validate(&self) -> Result<(), ClipTextConfigError> {
        let sizes = [
            ("vocab_size", self.vocab_size),
            ("hidden_size", self.hidden_size),
            ("intermediate_size", self.intermediate_size),
            ("projection_dim", self.projection_dim),
            ("num_hidden_layers", self.num_hidden_layers),
            ("num_attention_heads", self.num_attention_heads),
            ("max_position_embeddings", self.max_position_embeddings),
        ];
        if let Some((field, _)) = sizes.iter().find(|(_, size)| *size == 0) {
            return Err(ClipTextConfigError::Zero { field });
        }
        for (field, size) in sizes {
            let (limit, expected) = match field {
                "vocab_size" => (1 << 24, "at most 16777216"),
                "num_hidden_layers" => (1024, "at most 1024"),
                _ => (65_536, "at most 65536"),
            };
            if size > limit {
                let found = size.to_string();
                return Err(ClipTextConfigError::Range {
                    field,
                    found,
                    expected,
                });
            }
        }
        if !self.hidden_size.is_multiple_of(self.num_attention_heads) {
            return Err(ClipTextConfigError::Heads {
                width: self.hidden_size,
                heads: self.num_attention_heads,
            });
        }
        if !self.layer_norm_eps.is_finite() || self.layer_norm_eps <= 0.0 {
            return Err(ClipTextConfigError::Range {
                field: "layer_norm_eps",
                found: self.layer_norm_eps.to_string(),
                expected: "a positive number",
            });
        }
        Ok(())
    }
}

impl Default for ClipTextConfig {
    fn default() -> Self {
        Self {
            vocab_size: 49408,
            hidden_size: 512,
            intermediate_size: 2048,
            projection_dim: 512,
            num_hidden_layers: 12,
            num_attention_heads: 8,
            max_position_embeddings: 77,
            hidden_act: HiddenActivation::default(),
            layer_norm_eps: 1e-5,
            bos_token_id: Some(49406),
            eos_token_id: Some(49407),
            pad_token_id: Some(1),
            architectures: Some(vec!["CLIPTextModel".to_owned()]),
        }
    }
}

/// Settings of transformers that change what a text model computes and are not supported, with the values that switch
/// them off.
fn switched_off() -> [(&'static str, Vec<Value>); 6] {
    let no = || vec![json!(false), Value::Null];
    [
        ("add_cross_attention", no()),
        ("chunk_size_feed_forward", vec![json!(0), Value::Null]),
        ("is_decoder", no()),
        ("is_encoder_decoder", no()),
        ("pruned_heads", vec![json!({}), Value::Null]),
        ("quantization_config", vec![Value::Null]),
    ]
}

/// Settings that only matter in training, or to what is returned besides the result.
const IRRELEVANT: [&str; 14] = [
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
    "return_dict",
    "tie_word_embeddings",
    "torch_dtype",
    "use_cache",
];

impl TryFrom<Map<String, Value>> for ClipTextConfig {
    type Error = SettingError;

    fn try_from(fields: Map<String, Value>) -> Result<Self, SettingError> {
        let mut fields = ConfigFields::new(of_text(fields), TRANSFORMERS);
        let default = Self::default();
        let size = "a whole number";
        let id = |value: &Value| {
            whole(value)
                .and_then(|id| i64::try_from(id).ok())
                .or_else(|| value.as_i64())
        };
        let read = &mut fields;
        let mut token = |field: &str, default: Option<i64>| {
            read.take(field, "a whole number or `null`", default, |value| match value {
                Value::Null => Some(None),
                value => id(value).map(Some),
            })
        };
        let bos_token_id = token("bos_token_id", default.bos_token_id)?;
        let eos_token_id = token("eos_token_id", default.eos_token_id)?;
        let pad_token_id = token("pad_token_id", default.pad_token_id)?;
        let mut count = |field: &str, default: usize| read.take(field, size, default, whole);
        let config = Self {
            vocab_size: count("vocab_size", default.vocab_size)?,
            hidden_size: count("hidden_size", default.hidden_size)?,
            intermediate_size: count("intermediate_size", default.intermediate_size)?,
            projection_dim: count("projection_dim", default.projection_dim)?,
            num_hidden_layers: count("num_hidden_layers", default.num_hidden_layers)?,
            num_attention_heads: count("num_attention_heads", default.num_attention_heads)?,
            max_position_embeddings: count("max_position_embeddings", default.max_position_embeddings)?,
            hidden_act: read.take(
                "hidden_act",
                "`quick_gelu` or `gelu`",
                default.hidden_act,
                |value| HiddenActivation::named(value.as_str()?),
            )?,
            layer_norm_eps: read.take("layer_norm_eps", "a number", default.layer_norm_eps, number)?,
            bos_token_id,
            eos_token_id,
            pad_token_id,
            architectures: read.take_optional("architectures", "a list of names", |value| {
                value.as_array()?.iter().map(text).collect()
            })?,
        };
        let kinds = "`clip_text_model` or `clip`";
        fields.take("model_type", kinds, (), |value| match value.as_str() {
            Some("clip_text_model" | "clip") => Some(()),
            Some(_) => None,
            None => value.is_null().then_some(()),
        })?;
        for (field, off) in switched_off() {
            fields.refuse(field, &off)?;
        }
        fields.ignore(&IRRELEVANT);
        fields.finish()?;
        Ok(config)
    }
}

/// The fields about the text, in a configuration of a whole CLIP too.
fn of_text(mut fields: Map<String, Value>) -> Map<String, Value> {
    if fields.get("model_type").is_none_or(|kind| kind != "clip") {
        return fields;
    }
    match fields.remove("text_config") {
        Some(Value::Object(text)) => text,
        _ => fields,
    }
}

impl HiddenActivation {
    fn named(name: &str) -> Option<Self> {
        match name {
            "quick_gelu" => Some(Self::QuickGelu),
            "gelu" => Some(Self::Gelu),
            _ => None,
        }
    }
}
