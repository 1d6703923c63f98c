//! Denoisers as trainings see them.

use burn::tensor::Tensor;

use crate::conditioning::Conditioning;
use crate::unet::UNet2DConditionModel;

/// A network that predicts for noisy latents, each at a timestep of its own.
///
/// Samplers ask for one level of noise at a time; a training draws another for each item. What the network is told
/// besides is its own affair, since a text encoder may be trained with it.
pub trait TrainableDenoiser {
    /// What it is told besides latents and timesteps, one row per latent.
    type Conditioning: Clone;

    /// Predicts what the network was made to predict.
    ///
    /// # Shapes
    /// - noisy and output: `[batch, channels, height, width]`
    /// - timesteps: `[batch]`, f32
    fn predict_each(
        &self,
        noisy: Tensor<4>,
        timesteps: Tensor<1>,
        conditioning: Self::Conditioning,
    ) -> Tensor<4>;
}

impl TrainableDenoiser for UNet2DConditionModel {
    type Conditioning = Conditioning;

    fn predict_each(&self, noisy: Tensor<4>, timesteps: Tensor<1>, conditioning: Conditioning) -> Tensor<4> {
        self.forward(noisy, timesteps, conditioning)
    }
}
