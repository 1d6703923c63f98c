//! Directions of pictures and their prompts.

use mitune_diffusion::nn::weights::TensorSource;

use super::image_embeddings::normalised;
use super::{Execution, ImageEmbeddings, JudgeError, PromptEmbeddings, PromptTokens};
use crate::clip::{ClipConfig, ClipModel};
use crate::picture::Picture;
use crate::preprocessing::Preprocessing;

/// A whole CLIP that gives the directions themselves, where [`PairCosines`](super::PairCosines) multiplies them.
#[derive(Debug)]
pub struct PairEmbeddings {
    images: ImageEmbeddings,
    prompts: PromptEmbeddings,
}

/// The directions of a picture and its prompt, projected and of length 1.
#[derive(Debug, Clone, PartialEq)]
pub struct EmbeddedPair {
    /// That of the picture.
    pub image: Vec<f32>,
    /// That of the prompt.
    pub prompt: Vec<f32>,
}

impl PairEmbeddings {
    /// Loads both halves of a CLIP from tensors under transformers' names.
    ///
    /// # Errors
    /// When the tensors do not fit the configuration, or the tokenizer not the text model.
    pub fn load(
        source: &dyn TensorSource,
        config: &ClipConfig,
        preprocessing: Preprocessing,
        tokens: PromptTokens,
        execution: Execution,
    ) -> Result<Self, JudgeError> {
        let model = ClipModel::load(source, config, &execution.device, execution.dtype)?;
        Ok(Self {
            images: ImageEmbeddings::new(model.vision, preprocessing, execution),
            prompts: PromptEmbeddings::new(model.text, tokens)?,
        })
    }

    /// Embeds each picture and its prompt; the numbers of one do not depend on the others.
    ///
    /// # Errors
    /// When a picture cannot be prepared, a prompt cannot be encoded, or an embedding has no direction.
    pub fn embed(&self, pairs: &[(&Picture, &str)]) -> Result<Vec<EmbeddedPair>, JudgeError> {
        let (pictures, prompts): (Vec<&Picture>, Vec<&str>) = pairs.iter().copied().unzip();
        let prompts = self.prompts.embed(&prompts)?;
        let images = self.images.embed_normalised(&pictures)?;
        let embedded = images.into_iter().zip(&prompts).enumerate();
        embedded
            .map(|(index, (image, prompt))| {
                let prompt = normalised(prompt);
                match prompt.iter().all(|value| value.is_finite()) {
                    true => Ok(EmbeddedPair { image, prompt }),
                    false => Err(JudgeError::NotFinite {
                        index,
                        dtype: self.images.dtype(),
                    }),
                }
            })
            .collect()
    }
}
