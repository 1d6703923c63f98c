//! A text model's `config.json`.

use serde::{Deserialize, Serialize};

/// The shape of a [`ClipTextModel`](super::ClipTextModel), read from `text_encoder/config.json`.
///
/// Defaults are those of transformers' `CLIPTextConfig`. Fields this does not know are ignored:
/// the ones transformers writes (dropout, initializer ranges) do not change inference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClipTextConfig {
    /// Number of tokens in the vocabulary.
    #[serde(default = "default_vocab_size")]
    pub vocab_size: usize,
    /// Width of the hidden states.
    #[serde(default = "default_width")]
    pub hidden_size: usize,
    /// Width inside the feed-forward layers.
    #[serde(default = "default_intermediate_size")]
    pub intermediate_size: usize,
    /// Width of the projected pooled output, when the model has a projection.
    #[serde(default = "default_width")]
    pub projection_dim: usize,
    /// Number of transformer layers.
    #[serde(default = "default_layers")]
    pub num_hidden_layers: usize,
    /// Number of attention heads.
    #[serde(default = "default_heads")]
    pub num_attention_heads: usize,
    /// Longest sequence, in tokens.
    #[serde(default = "default_positions")]
    pub max_position_embeddings: usize,
    /// Activation of the feed-forward layers.
    #[serde(default)]
    pub hidden_act: HiddenActivation,
    /// Constant under the root of every layer normalization.
    #[serde(default = "default_epsilon")]
    pub layer_norm_eps: f64,
    /// Token at the start of a sequence.
    #[serde(default = "default_start")]
    pub bos_token_id: Option<i64>,
    /// Token that the pooled output is taken at; 2, a mistake in early published models, means the
    /// largest id of the sequence.
    #[serde(default = "default_end")]
    pub eos_token_id: Option<i64>,
    /// Token that fills a sequence up.
    #[serde(default = "default_pad")]
    pub pad_token_id: Option<i64>,
    /// Classes that can be built from this; the first decides whether there is a projection.
    #[serde(default)]
    pub architectures: Option<Vec<String>>,
}

/// Activation of the feed-forward layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
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
            vocab_size: default_vocab_size(),
            hidden_size: default_width(),
            intermediate_size: default_intermediate_size(),
            projection_dim: default_width(),
            num_hidden_layers: default_layers(),
            num_attention_heads: default_heads(),
            max_position_embeddings: default_positions(),
            hidden_act: HiddenActivation::default(),
            layer_norm_eps: default_epsilon(),
            bos_token_id: default_start(),
            eos_token_id: default_end(),
            pad_token_id: default_pad(),
            architectures: Some(vec!["CLIPTextModel".to_owned()]),
        }
    }
}

fn default_vocab_size() -> usize {
    49408
}

fn default_width() -> usize {
    512
}

fn default_intermediate_size() -> usize {
    2048
}

fn default_layers() -> usize {
    12
}

fn default_heads() -> usize {
    8
}

fn default_positions() -> usize {
    77
}

fn default_epsilon() -> f64 {
    1e-5
}

fn default_start() -> Option<i64> {
    Some(49406)
}

fn default_end() -> Option<i64> {
    Some(49407)
}

fn default_pad() -> Option<i64> {
    Some(1)
}
