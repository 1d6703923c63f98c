//! What stands beside the prompt in guidance and in the score.

use burn::tensor::Device;
use mitune_diffusion::conditioning::{Conditioning, ImageSize};
use mitune_diffusion::model::{DiffusionModel, EncodedPrompts};
use mitune_diffusion::sampler::Sampler;

use crate::contract::StageError;

/// A run that knows what its score compares with.
pub(crate) struct Unprompted {
    pub(crate) sampler: Sampler,
    /// What guidance steers away from.
    pub(crate) encoded: EncodedPrompts,
    /// What the score compares with, where it is something else; the sampler knows it too.
    pub(crate) baseline: Option<Conditioning>,
}

/// Encodes the text that guidance steers away from.
///
/// Mutual information compares with the prediction without a prompt, which a negative prompt is not: where one guides,
/// the sampler asks for the empty prompt too. Where nothing guides, the empty prompt is all there is to ask for. Models
/// that take zeros for the empty prompt get them here as in guidance.
pub(crate) fn unprompted(
    model: &DiffusionModel,
    sampler: Sampler,
    negative: &str,
    size: ImageSize,
    device: &Device,
) -> Result<Unprompted, StageError> {
    let encode = |text: &str| {
        model
            .encode_negative(text, size, device)
            .map_err(StageError::failed)
    };
    let empty = encode("")?;
    if !compares_elsewhere(&sampler, negative) {
        return Ok(Unprompted {
            sampler,
            encoded: empty,
            baseline: None,
        });
    }
    Ok(Unprompted {
        sampler: sampler.comparing_with(empty.conditioning.clone()),
        encoded: encode(negative)?,
        baseline: Some(empty.conditioning),
    })
}

/// Whether the score compares with another prediction than the one that guides, a third one in every step.
pub(super) fn compares_elsewhere(sampler: &Sampler, negative: &str) -> bool {
    !negative.is_empty() && sampler.guides()
}
