//! The shape of BLIP's BERTs: a part of transformers' `config.json`, or the original code's `med_config.json`.

use mitune_diffusion::config_fields::{ConfigFields, SettingError, TRANSFORMERS, number, positive, whole};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::config::{IRRELEVANT, SIZE, take_activation, take_nothing_pruned};
use super::error::{BlipError, MOST, MOST_LAYERS, check_at_most, check_epsilon, check_heads};

/// The shape of a [`BlipTextModel`](super::BlipTextModel).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BlipTextConfig {
    /// Number of tokens in the vocabulary.
    pub vocab_size: usize,
    /// Width of the hidden states.
    pub hidden_size: usize,
    /// Width of what the cross-attention reads.
    pub encoder_hidden_size: usize,
    /// Width inside the feed-forward layers.
    pub intermediate_size: usize,
    /// Number of layers.
    pub num_hidden_layers: usize,
    /// Number of attention heads; transformers' default is 8, BLIP itself has 12.
    pub num_attention_heads: usize,
    /// Longest sequence, in tokens.
    pub max_position_embeddings: usize,
    /// Constant under the root of every layer normalisation.
    pub layer_norm_eps: f64,
    /// Token that an answer begins with.
    pub bos_token_id: usize,
}

/// Most tokens of a vocabulary.
const MOST_TOKENS: usize = 1 << 24;

/// `[DEC]` of BLIP's vocabulary.
const DECODER_START: usize = 30_522;

impl BlipTextConfig {
    /// Reads the fields of a `med_config.json`, whose defaults are BERT's.
    ///
    /// What the cross-attention reads has the width of the vision model, whatever the file says: the original code sets
    /// it so.
    ///
    /// # Errors
    /// When it asks for something that is not supported, or a number is out of range.
    pub fn from_med_config(
        fields: Map<String, Value>,
        encoder_hidden_size: usize,
    ) -> Result<Self, BlipError> {
        let mut fields = ConfigFields::new(fields, TRANSFORMERS);
        fields.take_required("add_cross_attention", "`true`", |value| {
            (value.as_bool() == Some(true)).then_some(())
        })?;
        fields.take("position_embedding_type", "`absolute`", (), |value| {
            (value.as_str() == Some("absolute")).then_some(())
        })?;
        fields.ignore(&[
            "encoder_width",
            "type_vocab_size",
            "classifier_dropout",
            "is_decoder",
        ]);
        let defaults = Self {
            vocab_size: 30_522,
            num_attention_heads: 12,
            ..Self::of_transformers(encoder_hidden_size)
        };
        let config = Self::take(fields, defaults)?;
        config.validate()?;
        Ok(config)
    }

    /// Reads the part about the text of a `config.json` of transformers.
    ///
    /// What the cross-attention reads has the width of the vision model there too.
    pub(super) fn read(fields: Map<String, Value>, encoder_hidden_size: usize) -> Result<Self, SettingError> {
        let mut fields = ConfigFields::new(fields, TRANSFORMERS);
        // The class has its cross-attention where this is set, and looks at no `add_cross_attention`.
        fields.take("is_decoder", "`true`", (), |value| {
            (value.as_bool() == Some(true)).then_some(())
        })?;
        fields.ignore(&["encoder_hidden_size", "add_cross_attention", "is_encoder_decoder"]);
        Self::take(fields, Self::of_transformers(encoder_hidden_size))
    }

    fn of_transformers(encoder_hidden_size: usize) -> Self {
        Self {
            vocab_size: 30_524,
            hidden_size: 768,
            encoder_hidden_size,
            intermediate_size: 3072,
            num_hidden_layers: 12,
            num_attention_heads: 8,
            max_position_embeddings: 512,
            layer_norm_eps: 1e-12,
            bos_token_id: DECODER_START,
        }
    }

    fn take(mut fields: ConfigFields, defaults: Self) -> Result<Self, SettingError> {
        let vocabulary = "a whole number";
        let vocab_size = fields.take("vocab_size", vocabulary, defaults.vocab_size, whole)?;
        let bos_token_id = fields.take(
            "bos_token_id",
            vocabulary,
            defaults.bos_token_id,
            |value| match value {
                Value::Null => Some(DECODER_START),
                value => whole(value),
            },
        )?;
        let mut size = |field: &str, default: usize| fields.take(field, SIZE, default, positive);
        let config = Self {
            vocab_size,
            hidden_size: size("hidden_size", defaults.hidden_size)?,
            encoder_hidden_size: defaults.encoder_hidden_size,
            intermediate_size: size("intermediate_size", defaults.intermediate_size)?,
            num_hidden_layers: size("num_hidden_layers", defaults.num_hidden_layers)?,
            num_attention_heads: size("num_attention_heads", defaults.num_attention_heads)?,
            max_position_embeddings: size("max_position_embeddings", defaults.max_position_embeddings)?,
            layer_norm_eps: fields.take("layer_norm_eps", "a number", defaults.layer_norm_eps, number)?,
            bos_token_id,
        };
        take_activation(&mut fields)?;
        take_nothing_pruned(&mut fields)?;
        fields.refuse("quantization_config", &[Value::Null, json!({})])?;
        fields.ignore(&IRRELEVANT);
        fields.finish()?;
        Ok(config)
    }

    /// Checks that a model of this configuration can be built.
    ///
    /// # Errors
    /// The first field that is out of range.
    pub fn validate(&self) -> Result<(), BlipError> {
        check_at_most("text_config.vocab_size", self.vocab_size, MOST_TOKENS)?;
        check_at_most("text_config.hidden_size", self.hidden_size, MOST)?;
        check_at_most("text_config.encoder_hidden_size", self.encoder_hidden_size, MOST)?;
        check_at_most("text_config.intermediate_size", self.intermediate_size, MOST)?;
        check_at_most(
            "text_config.num_hidden_layers",
            self.num_hidden_layers,
            MOST_LAYERS,
        )?;
        check_at_most(
            "text_config.max_position_embeddings",
            self.max_position_embeddings,
            MOST,
        )?;
        check_heads(
            "text_config.num_attention_heads",
            self.hidden_size,
            self.num_attention_heads,
        )?;
        check_epsilon("text_config.layer_norm_eps", self.layer_norm_eps)
    }
}
