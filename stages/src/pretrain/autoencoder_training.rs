//! One step of training the autoencoder.

use burn::tensor::{Device, Tensor, TensorData};
use mitune_diffusion::noise::{NoiseSource, text_key};
use mitune_diffusion::training::{Objective, ObjectiveValue};
use mitune_diffusion::vae::AutoencoderKL;

use crate::shapes::data::ShapesData;
use crate::shapes::render::SIDE;

/// How much each part of the autoencoder's loss counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ReconstructionLoss {
    /// Weight of the mean absolute error beside the mean squared error.
    pub(super) absolute: f64,
    /// Weight of the Kullback-Leibler divergence from the standard normal distribution, summed over an image's
    /// latent and averaged over images.
    pub(super) divergence: f64,
}

/// The autoencoder's objective: to give back its images through latents near the standard normal distribution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Reconstruction {
    /// How its parts count.
    pub(super) weights: ReconstructionLoss,
    /// Seed of the noise of latents.
    pub(super) seed: u64,
}

/// A batch and its number, which the noise of its latents depends on.
pub(super) struct NumberedImages {
    /// Number of the batch.
    pub(super) index: u64,
    /// See [`image_batch`].
    pub(super) images: Tensor<4>,
}

impl Objective<AutoencoderKL> for Reconstruction {
    type Batch = NumberedImages;
    type Reference = ();

    fn evaluate(&self, autoencoder: &AutoencoderKL, (): &(), batch: NumberedImages) -> ObjectiveValue {
        let NumberedImages { index, images } = batch;
        reconstruction_loss(autoencoder, images, self.weights, self.seed, index).into()
    }
}

/// Images of one batch, `[batch, 3, 32, 32]` in -1..1.
///
/// Batch `index` holds the samples from `index * size` on, so a resumed training sees the same data.
pub(super) fn image_batch(data: &ShapesData, index: u64, size: usize, device: &Device) -> Tensor<4> {
    let mut planes = Vec::with_capacity(size * 3 * SIDE * SIDE);
    for offset in 0..size as u64 {
        data.sample(index * size as u64 + offset)
            .image()
            .append_planes(&mut planes);
    }
    Tensor::from_data(TensorData::new(planes, [size, 3, SIDE, SIDE]), device)
}

/// Loss of the autoencoder on a batch: `MSE + absolute * L1 + divergence * KL`, one element.
///
/// The latent is drawn from the encoder's distribution with noise that is a function of the seed and the batch.
fn reconstruction_loss(
    autoencoder: &AutoencoderKL,
    images: Tensor<4>,
    weights: ReconstructionLoss,
    seed: u64,
    index: u64,
) -> Tensor<1> {
    let (mean, log_variance) = autoencoder.encode(images.clone());
    let noise = standard_normal(mean.dims(), "autoencoder latents", seed, index, &mean.device());
    let latent = mean.clone() + (log_variance.clone() * 0.5).exp() * noise;
    let difference = autoencoder.decode(latent) - images;
    let [batch, ..] = mean.dims();
    let divergence =
        (mean.square() + log_variance.clone().exp() - log_variance - 1.0).sum() * (0.5 / batch as f64);
    difference.clone().square().mean()
        + difference.abs().mean() * weights.absolute
        + divergence * weights.divergence
}

/// Noise of one training batch: a function of the purpose, the seed and the batch only.
pub(super) fn standard_normal(
    shape: [usize; 4],
    purpose: &str,
    seed: u64,
    index: u64,
    device: &Device,
) -> Tensor<4> {
    let mut values = vec![0.0; shape.iter().product()];
    // The index is split over the two counters, so that no training is long enough to repeat itself.
    let [low, high] = [index as u32, (index >> 32) as u32];
    NoiseSource::forward().normal(seed, &text_key(purpose), high, low, &mut values);
    Tensor::from_data(TensorData::new(values, shape), device)
}
