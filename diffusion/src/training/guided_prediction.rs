//! The guided prediction of a network, for trainings that improve what a sampler does.

use burn::tensor::Tensor;

use super::trainable_denoiser::TrainableDenoiser;
use crate::conditioning::Conditioning;
use crate::guidance::in_f32;

/// Classifier-free guidance of latents that each have a timestep of their own (Ho and Salimans 2022).
///
/// The denoiser is asked once for all latents without the prompt and then with it, so that rollouts and trainings on
/// their steps get the same numbers.
#[derive(Debug, Clone)]
pub struct GuidedPrediction {
    unconditional: Conditioning,
    scale: f64,
}

impl GuidedPrediction {
    /// Guides away from one unconditional row; a scale of 1 is the plain conditional answer, which costs half.
    pub fn new(unconditional: Conditioning, scale: f64) -> Self {
        Self { unconditional, scale }
    }

    /// The same on the device that records gradients.
    #[must_use]
    pub fn autodiff(self) -> Self {
        Self {
            unconditional: self.unconditional.autodiff(),
            ..self
        }
    }

    /// Forward passes of the network for each latent.
    pub fn evaluations(&self) -> u64 {
        if self.guides() { 2 } else { 1 }
    }

    /// The guided prediction, in f32.
    ///
    /// # Shapes
    /// - latents and output: `[batch, channels, height, width]`
    /// - timesteps: `[batch]`, f32
    /// - conditioning: one row per latent
    ///
    /// # Panics
    /// The prompts do not [fit](Conditioning::fits) the unconditional row.
    pub fn predict<M: TrainableDenoiser<Conditioning = Conditioning>>(
        &self,
        denoiser: &M,
        latents: Tensor<4>,
        timesteps: Tensor<1>,
        conditioning: Conditioning,
    ) -> Tensor<4> {
        if !self.guides() {
            return in_f32(denoiser.predict_each(latents, timesteps, conditioning));
        }
        let batch = latents.dims()[0];
        let unconditional = self.unconditional.clone().repeat(batch);
        let both = in_f32(denoiser.predict_each(
            Tensor::cat(vec![latents.clone(), latents], 0),
            Tensor::cat(vec![timesteps.clone(), timesteps], 0),
            Conditioning::cat(vec![unconditional, conditioning]),
        ));
        let unconditional = both.clone().narrow(0, 0, batch);
        let difference = both.narrow(0, batch, batch) - unconditional.clone();
        unconditional + difference.mul_scalar(self.scale)
    }

    fn guides(&self) -> bool {
        self.scale != 1.0
    }
}
