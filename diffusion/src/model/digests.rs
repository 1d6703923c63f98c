//! What identifies a model, whatever folder it lies in.

use std::collections::BTreeMap;

use blake3::Hash;
use serde::Serialize;
use serde_json::Value;

use super::directory::ModelDirectory;
use super::error::ModelError;
use super::loading::PerComponent;
use super::text::TextComponent;
use crate::tokenizer::Tokenizer;

/// One digest per component: of its tensors by name, and of its configuration as understood.
///
/// Rewriting a file, sharding it or changing a setting that has no effect keeps a digest; changing
/// a weight, its precision or a setting that has an effect changes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelDigests {
    /// The denoiser.
    pub unet: Hash,
    /// The autoencoder.
    pub vae: Hash,
    /// The text encoder.
    pub text_encoder: Hash,
    /// The second text encoder with its tokenizer and what stands for an empty prompt, where there
    /// is one.
    pub second_text_encoder: Option<Hash>,
    /// Vocabulary, merges, special tokens and context length.
    pub tokenizer: Hash,
    /// The noise schedule.
    pub scheduler: Hash,
}

impl ModelDigests {
    /// The digests of a model whose tensors have these digests.
    ///
    /// # Errors
    /// When a tokenizer cannot be written as JSON.
    pub(super) fn of(model: &ModelDirectory, tensors: &PerComponent<Hash>) -> Result<Self, ModelError> {
        let second = model.second.as_ref().zip(tensors.second_text_encoder);
        Ok(Self {
            unet: component("unet", &model.unet_config, tensors.unet),
            vae: component("vae", &model.vae_config, tensors.vae),
            text_encoder: component("text_encoder", &model.text.config, tensors.text_encoder),
            second_text_encoder: second
                .map(|(text, tensors)| second_encoder(text, tensors, model.force_zeros_for_empty_prompt))
                .transpose()?,
            tokenizer: labelled("tokenizer", &fingerprint(&model.text.tokenizer)?),
            scheduler: labelled("scheduler", &canonical(&model.scheduler_config)),
        })
    }

    /// One digest for the whole model.
    pub fn whole(&self) -> Hash {
        let parts = [
            self.unet,
            self.vae,
            self.text_encoder,
            self.tokenizer,
            self.scheduler,
        ];
        let parts = parts.into_iter().chain(self.second_text_encoder);
        let bytes: Vec<u8> = parts.flat_map(|part| *part.as_bytes()).collect();
        labelled("model", &bytes)
    }
}

fn second_encoder(
    text: &TextComponent,
    tensors: Hash,
    force_zeros_for_empty_prompt: bool,
) -> Result<Hash, ModelError> {
    let encoder = component("text_encoder_2", &text.config, tensors);
    let mut bytes = encoder.as_bytes().to_vec();
    bytes.push(u8::from(force_zeros_for_empty_prompt));
    bytes.extend(fingerprint(&text.tokenizer)?);
    Ok(labelled("second text encoder", &bytes))
}

fn fingerprint(tokenizer: &Tokenizer) -> Result<Vec<u8>, ModelError> {
    tokenizer
        .fingerprint()
        .map_err(|source| ModelError::Tokenizer { source })
}

fn component(name: &'static str, config: &impl Serialize, tensors: Hash) -> Hash {
    let mut bytes = tensors.as_bytes().to_vec();
    bytes.extend(canonical(config));
    labelled(name, &bytes)
}

fn labelled(label: &str, bytes: &[u8]) -> Hash {
    let mut hasher = blake3::Hasher::new_derive_key("mitune 2025 model component");
    hasher.update(&(label.len() as u64).to_le_bytes());
    hasher.update(label.as_bytes());
    hasher.update(bytes);
    hasher.finalize()
}

/// JSON without spaces and with sorted keys, whatever order serde_json was built to keep.
fn canonical(config: &impl Serialize) -> Vec<u8> {
    let mut text = String::new();
    match serde_json::to_value(config) {
        Ok(value) => write_sorted(&value, &mut text),
        // Only maps with keys that are no text fail, and configurations have none.
        Err(error) => text = error.to_string(),
    }
    text.into_bytes()
}

fn write_sorted(value: &Value, text: &mut String) {
    match value {
        Value::Object(fields) => {
            let sorted: BTreeMap<&String, &Value> = fields.iter().collect();
            text.push('{');
            for (key, value) in sorted {
                text.push_str(&format!("{key:?}:"));
                write_sorted(value, text);
                text.push(',');
            }
            text.push('}');
        }
        Value::Array(values) => {
            text.push('[');
            for value in values {
                write_sorted(value, text);
                text.push(',');
            }
            text.push(']');
        }
        plain => text.push_str(&plain.to_string()),
    }
}
