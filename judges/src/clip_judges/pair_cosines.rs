//! Cosines of pictures and their prompts.

use mitune_diffusion::nn::weights::TensorSource;

use super::image_embeddings::length;
use super::{Execution, ImageEmbeddings, JudgeError, PromptEmbeddings, PromptTokens};
use crate::clip::{ClipConfig, ClipModel};
use crate::picture::Picture;
use crate::preprocessing::Preprocessing;

/// A whole CLIP with its rules for pictures and prompts.
#[derive(Debug)]
pub struct PairCosines {
    images: ImageEmbeddings,
    prompts: PromptEmbeddings,
    logit_scale: f32,
}

impl PairCosines {
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
            logit_scale: model.logit_scale,
        })
    }

    /// The cosine of each picture with its prompt.
    ///
    /// # Errors
    /// When a picture cannot be prepared, a prompt cannot be encoded, or an embedding has no direction.
    pub fn cosines(&self, pairs: &[(&Picture, &str)]) -> Result<Vec<f64>, JudgeError> {
        let (pictures, prompts): (Vec<&Picture>, Vec<&str>) = pairs.iter().copied().unzip();
        let prompts = self.prompts.embed(&prompts)?;
        let images = self.images.embed(&pictures)?;
        let cosines = images
            .iter()
            .zip(&prompts)
            .map(|(image, prompt)| cosine(image, prompt));
        cosines
            .enumerate()
            .map(|(index, cosine)| match cosine.is_finite() {
                true => Ok(cosine),
                false => Err(JudgeError::NotFinite {
                    index,
                    dtype: self.images.dtype(),
                }),
            })
            .collect()
    }

    /// What cosines were multiplied by in training.
    pub fn scale(&self) -> f64 {
        f64::from(self.logit_scale).exp()
    }
}

fn cosine(one: &[f32], other: &[f32]) -> f64 {
    let products = one.iter().zip(other).map(|(a, b)| f64::from(*a) * f64::from(*b));
    products.sum::<f64>() / (length(one) * length(other))
}
