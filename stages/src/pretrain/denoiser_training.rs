//! One step of training the denoiser together with its text encoder.

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};
use mitune_diffusion::clip::ClipTextModel;
use mitune_diffusion::training::TrainableDenoiser;
use mitune_diffusion::unet::UNet2DConditionModel;

use crate::draws::Draws;

/// The two networks that learn together what a caption means for an image.
#[derive(Module, Debug)]
pub(super) struct ConditionalDenoiser {
    /// Predicts the noise.
    pub(super) unet: UNet2DConditionModel,
    /// Reads the caption.
    pub(super) text_encoder: ClipTextModel,
}

/// Timesteps of one batch, uniform over the schedule: a function of the seed and the batch only.
pub(super) fn timestep_batch(seed: u64, index: u64, size: usize, timesteps: u32) -> Vec<usize> {
    let mut draws = Draws::new("denoiser timesteps", seed, index);
    (0..size).map(|_| draws.below(timesteps) as usize).collect()
}

impl TrainableDenoiser for ConditionalDenoiser {
    /// Token ids, `[batch, tokens]`.
    type Conditioning = Tensor<2, Int>;

    fn predict_each(&self, noisy: Tensor<4>, timesteps: Tensor<1>, ids: Tensor<2, Int>) -> Tensor<4> {
        let context = self.text_encoder.forward(ids).last_hidden_state;
        self.unet.forward(noisy, timesteps, context)
    }
}

/// Token ids of a batch as a tensor.
pub(super) fn token_tensor(ids: &[Vec<i64>], device: &Device) -> Tensor<2, Int> {
    let tokens = ids.first().map_or(0, Vec::len);
    let flat = ids.concat();
    Tensor::from_data(TensorData::new(flat, [ids.len(), tokens]), device)
}

/// Noise of one batch of latents: a function of the seed and the batch only.
pub(super) fn denoiser_noise(shape: [usize; 4], seed: u64, index: u64, device: &Device) -> Tensor<4> {
    super::autoencoder_training::standard_normal(shape, "denoiser noise", seed, index, device)
}
