//! Embeddings of prompts.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::image_embeddings::rows;
use super::{JudgeError, PromptTokens};
use crate::clip::ClipTextEncoder;

/// A text model that makes embeddings of prompts.
#[derive(Debug)]
pub struct PromptEmbeddings {
    model: ClipTextEncoder,
    tokens: PromptTokens,
}

impl PromptEmbeddings {
    /// Joins a text model with the tokens that it was trained on.
    ///
    /// # Errors
    /// When the tokenizer knows tokens that the model does not.
    pub fn new(model: ClipTextEncoder, tokens: PromptTokens) -> Result<Self, JudgeError> {
        tokens.check_vocabulary(model.vocabulary())?;
        Ok(Self { model, tokens })
    }

    /// Embeds each prompt, projected and as long as it comes out of the network. Prompts that are equal are read once.
    ///
    /// # Errors
    /// When a prompt cannot be encoded.
    pub fn embed(&self, prompts: &[&str]) -> Result<Vec<Vec<f32>>, JudgeError> {
        let mut known: BTreeMap<&str, Vec<f32>> = BTreeMap::new();
        for prompt in prompts.iter().copied() {
            if let Entry::Vacant(entry) = known.entry(prompt) {
                let ids = self.tokens.encode(prompt)?;
                entry.insert(rows(self.model.forward(&ids))?.concat());
            }
        }
        Ok(prompts.iter().map(|prompt| known[prompt].clone()).collect())
    }
}
