//! Denoisers: what samplers, scores and guidance ask, whatever the network.
//!
//! Input and output are values, so that guidance is a wrapper around a denoiser which is a denoiser again
//! ([`guidance`](crate::guidance)), and a network of another kind needs nothing but one method.

mod attention_maps;
mod attention_request;
mod error;
mod noise_level;
mod shape;

use burn::tensor::Tensor;

use crate::conditioning::Conditioning;

pub use attention_maps::{AttentionKind, AttentionMap, AttentionPlace};
pub use attention_request::AttentionRequest;
pub use error::DenoiserError;
pub use noise_level::NoiseLevel;
pub use shape::DenoiserShape;

/// What looks at noisy latents and says what it was trained to say.
pub trait Denoiser {
    /// Evaluates a batch at one noise level.
    ///
    /// Latents and conditioning arrive as the caller keeps them, usually `f32`; a network of another
    /// float type converts them itself, and may return its own type.
    ///
    /// # Errors
    /// [`DenoiserError`] if the denoiser cannot read the conditioning, or does not hand out what was
    /// asked for besides the prediction; it must refuse rather than leave it out.
    fn denoise(&self, input: &DenoiserInput<'_>) -> Result<DenoiserOutput, DenoiserError>;

    /// Evaluates a batch and returns the prediction alone.
    ///
    /// # Shapes
    /// As in [`DenoiserInput`]; the result has the shape of `latents`.
    ///
    /// # Errors
    /// As for [`Self::denoise`].
    fn predict(
        &self,
        latents: &Tensor<4>,
        level: NoiseLevel,
        conditioning: &Conditioning,
    ) -> Result<Tensor<4>, DenoiserError> {
        let input = DenoiserInput::new(latents, level, conditioning);
        Ok(self.denoise(&input)?.prediction)
    }
}

/// What a denoiser is asked about.
#[derive(Debug, Clone, Copy)]
pub struct DenoiserInput<'a> {
    /// Noisy latents, `[batch, channels, height, width]`.
    pub latents: &'a Tensor<4>,
    /// How noisy they are.
    pub level: NoiseLevel,
    /// The prompts, one row per latent.
    pub conditioning: &'a Conditioning,
    /// The attention maps that are wanted besides, if any; a denoiser without attention refuses with
    /// [`DenoiserError::NoAttentionMaps`].
    pub attention_maps: Option<&'a AttentionRequest>,
}

/// What a denoiser says.
#[derive(Debug, Clone)]
pub struct DenoiserOutput {
    /// Noise, velocity or original, `[batch, channels, height, width]`.
    pub prediction: Tensor<4>,
    /// The two answers behind a prediction that compares two, such as a guided one; networks have none.
    pub branches: Option<Branches>,
    /// The attention maps, at least one and in the order of the layers; none where none were asked for.
    pub attention_maps: Option<Vec<AttentionMap>>,
}

/// Answers with a prompt and without it, in `f32`, all `[batch, channels, height, width]`; guidance is
/// not inside them.
#[derive(Debug, Clone)]
pub struct Branches {
    /// The answer with the prompt.
    pub conditional: Tensor<4>,
    /// The answer it is compared with: that without a prompt.
    pub baseline: Tensor<4>,
    /// The first minus the second.
    pub difference: Tensor<4>,
}

impl<'a> DenoiserInput<'a> {
    /// Asks for the prediction alone.
    pub fn new(latents: &'a Tensor<4>, level: NoiseLevel, conditioning: &'a Conditioning) -> Self {
        Self {
            latents,
            level,
            conditioning,
            attention_maps: None,
        }
    }
}

impl DenoiserOutput {
    /// Leaves of the attention maps only those of a request, and none without one.
    #[must_use]
    pub(crate) fn with_maps_of(self, request: Option<&AttentionRequest>) -> Self {
        Self {
            attention_maps: self
                .attention_maps
                .zip(request)
                .map(|(maps, request)| request.choose(maps)),
            ..self
        }
    }
}

impl From<Tensor<4>> for DenoiserOutput {
    fn from(prediction: Tensor<4>) -> Self {
        Self {
            prediction,
            branches: None,
            attention_maps: None,
        }
    }
}
