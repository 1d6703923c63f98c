//! What identifies a model, whatever folder it lies in.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::ModelError;
use super::directory::ModelDirectory;
use super::text::TextComponent;
use crate::weights::WeightsFolder;

/// One digest per component: of its tensors by name, and of its configuration as understood.
///
/// Rewriting a file, sharding it or changing a setting that has no effect keeps a digest; changing
/// a weight, its precision or a setting that has an effect changes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelDigests {
    /// The denoiser.
    pub unet: blake3::Hash,
    /// The autoencoder.
    pub vae: blake3::Hash,
    /// The text encoder.
    pub text_encoder: blake3::Hash,
    /// The second text encoder with its tokenizer and what stands for an empty prompt, where there
    /// is one.
    pub second_text_encoder: Option<blake3::Hash>,
    /// Vocabulary, merges, special tokens and context length.
    pub tokenizer: blake3::Hash,
    /// The noise schedule.
    pub scheduler: blake3::Hash,
}

impl ModelDigests {
    pub(super) fn compute(model: &ModelDirectory) -> Result<Self, ModelError> {
        Ok(Self {
            unet: component("unet", &model.unet_config, &model.unet)?,
            vae: component("vae", &model.vae_config, &model.vae)?,
            text_encoder: component("text_encoder", &model.text.config, &model.text.weights)?,
            second_text_encoder: model
                .second
                .as_ref()
                .map(|text| second(text, model.force_zeros_for_empty_prompt))
                .transpose()?,
            tokenizer: labelled("tokenizer", &model.text.tokenizer.fingerprint()),
            scheduler: labelled("scheduler", &canonical(&model.scheduler_config)),
        })
    }

    /// One digest for the whole model.
    pub fn whole(&self) -> blake3::Hash {
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

fn second(text: &TextComponent, force_zeros_for_empty_prompt: bool) -> Result<blake3::Hash, ModelError> {
    let encoder = component("text_encoder_2", &text.config, &text.weights)?;
    let mut bytes = encoder.as_bytes().to_vec();
    bytes.push(u8::from(force_zeros_for_empty_prompt));
    bytes.extend(text.tokenizer.fingerprint());
    Ok(labelled("second text encoder", &bytes))
}

fn component(
    name: &'static str,
    config: &impl Serialize,
    weights: &WeightsFolder,
) -> Result<blake3::Hash, ModelError> {
    let tensors = weights.digest().map_err(|source| ModelError::Weights {
        component: name,
        source,
    })?;
    let mut bytes = tensors.as_bytes().to_vec();
    bytes.extend(canonical(config));
    Ok(labelled(name, &bytes))
}

fn labelled(label: &str, bytes: &[u8]) -> blake3::Hash {
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
