//! Guidance by the gradient of something that is to grow, such as a classifier's answer.

use burn::tensor::Tensor;

use super::in_f32;
use crate::conditioning::Conditioning;
use crate::denoiser::{
    AttentionRequest, Branches, Denoiser, DenoiserError, DenoiserInput, DenoiserOutput, NoiseLevel,
};
use crate::prediction::Parameterization;

/// What a guiding function looks at; everything is on the device that records gradients.
pub struct Guided<'a> {
    /// The noisy latents, `[batch, channels, height, width]`.
    pub latents: &'a Tensor<4>,
    /// The original that the denoiser's answer stands for, of the same shape.
    pub original: &'a Tensor<4>,
    /// The denoiser's whole answer, with the attention maps that guidance asked for.
    pub output: &'a DenoiserOutput,
}

/// A denoiser whose answer is moved along a gradient with respect to the latents (Dhariwal and Nichol
/// 2021, equation 14; with the predicted original inside, universal guidance).
///
/// The score grows by `scale` times the gradient of `gain`, so the noise shrinks by
/// `scale * level.noise` times it, and the prediction changes as noise does. The gradient is taken through
/// the denoiser, which therefore has to hold its weights on a device that records gradients. Two gains are
/// one sum: these guidances do not stand around each other.
pub struct GradientGuidance<'a, G> {
    denoiser: &'a dyn Denoiser,
    parameterization: Parameterization,
    scale: f64,
    attention_maps: Option<AttentionRequest>,
    gain: G,
}

impl<'a, G: Fn(&Guided<'_>) -> Tensor<1>> GradientGuidance<'a, G> {
    /// Guides towards more `gain`, a sum over the images of a batch: each moves along its own part.
    pub fn new(denoiser: &'a dyn Denoiser, parameterization: Parameterization, scale: f64, gain: G) -> Self {
        Self {
            denoiser,
            parameterization,
            scale,
            attention_maps: None,
            gain,
        }
    }

    /// Lets `gain` look at these attention maps; denoisers that have none then refuse.
    #[must_use]
    pub fn with_attention_maps(self, request: AttentionRequest) -> Self {
        Self {
            attention_maps: Some(request),
            ..self
        }
    }

    /// What the denoiser is asked for: what `gain` looks at and what whoever asks wants to see.
    fn wanted(&self, outside: Option<&AttentionRequest>) -> Option<AttentionRequest> {
        match (&self.attention_maps, outside) {
            (Some(own), Some(outside)) => Some(own.united(outside)),
            (own, outside) => own.as_ref().or(outside).cloned(),
        }
    }

    /// Returns by how much the prediction changes for each unit of the gradient, if the prediction says
    /// anything about the noise at this level.
    fn factor(&self, level: NoiseLevel) -> Option<f64> {
        let slope = self.parameterization.noise(level).output;
        let factor = -self.scale * level.noise / slope;
        factor.is_finite().then_some(factor)
    }
}

impl<G: Fn(&Guided<'_>) -> Tensor<1>> Denoiser for GradientGuidance<'_, G> {
    /// Evaluates the denoiser, then the gain, and goes back through both.
    ///
    /// Where the prediction says nothing about the noise or the original, as at the very start of a
    /// rectified flow, it stays as it is.
    fn denoise(&self, input: &DenoiserInput<'_>) -> Result<DenoiserOutput, DenoiserError> {
        let original = self.parameterization.original(input.level);
        let Some(factor) = self.factor(input.level).filter(|_| original.is_finite()) else {
            return self.denoiser.denoise(input);
        };
        let latents = input.latents.clone().autodiff().detach().require_grad();
        let conditioning: Conditioning = input.conditioning.clone().autodiff();
        let wanted = self.wanted(input.attention_maps);
        let output = self.denoiser.denoise(&DenoiserInput {
            latents: &latents,
            conditioning: &conditioning,
            attention_maps: wanted.as_ref(),
            ..*input
        })?;
        let original = original.apply(latents.clone(), in_f32(output.prediction.clone()));
        let gain = (self.gain)(&Guided {
            latents: &latents,
            original: &original,
            output: &output.clone().with_maps_of(self.attention_maps.as_ref()),
        });
        if !gain.is_tracked() {
            return Err(DenoiserError::NoGradient);
        }
        let gradient = latents.grad(&gain.backward()).ok_or(DenoiserError::NoGradient)?;
        let output = without_gradients(output).with_maps_of(input.attention_maps);
        Ok(DenoiserOutput {
            prediction: in_f32(output.prediction) + gradient.mul_scalar(factor),
            ..output
        })
    }
}

fn without_gradients(output: DenoiserOutput) -> DenoiserOutput {
    DenoiserOutput {
        prediction: output.prediction.inner(),
        branches: output.branches.map(|branches| Branches {
            conditional: branches.conditional.inner(),
            baseline: branches.baseline.inner(),
            difference: branches.difference.inner(),
        }),
        attention_maps: output.attention_maps.map(|maps| {
            maps.into_iter()
                .map(|map| map.map(|probabilities| probabilities.inner()))
                .collect()
        }),
    }
}
