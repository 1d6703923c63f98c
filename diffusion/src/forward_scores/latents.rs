//! Latents to score, as far as they are known.

use burn::tensor::{DType, Tensor, TensorData};

use crate::noise::{ContentKey, NoiseSource, posterior_key};

/// Latents, or what an autoencoder says of those of given images: a mean and perhaps a deviation.
#[derive(Debug, Clone)]
pub struct LatentPosterior {
    /// The mean, `[batch, channels, height, width]`, as the network sees latents, in `f32`.
    pub mean: Tensor<4>,
    /// The standard deviation, of the same shape; none takes the mean for the latent. With one, every
    /// evaluation draws a latent of its own, as DiffusionITM does.
    pub deviation: Option<Tensor<4>>,
}

impl From<&Tensor<4>> for LatentPosterior {
    fn from(latents: &Tensor<4>) -> Self {
        Self {
            mean: latents.clone(),
            deviation: None,
        }
    }
}

/// Noise that every latent of a call meets.
pub(super) struct SharedNoise<'a> {
    pub(super) source: &'a NoiseSource,
    pub(super) seed: u64,
    /// What the noise put on latents is named by.
    pub(super) key: &'a ContentKey,
}

impl SharedNoise<'_> {
    /// Draws the noise of an evaluation, `[1, channels, height, width]`.
    pub(super) fn draw(&self, timestep: usize, index: usize, like: &Tensor<4>) -> Tensor<4> {
        self.named(self.key, timestep, index, like)
    }

    /// Takes the mean of latents, or draws them for an evaluation.
    pub(super) fn latents(&self, posterior: &LatentPosterior, timestep: usize, index: usize) -> Tensor<4> {
        let mean = posterior.mean.clone();
        match &posterior.deviation {
            Some(deviation) => {
                let noise = self.named(&posterior_key(), timestep, index, &mean);
                mean + deviation.clone() * noise
            }
            None => mean,
        }
    }

    fn named(&self, key: &ContentKey, timestep: usize, index: usize, like: &Tensor<4>) -> Tensor<4> {
        let [_, channels, height, width] = like.dims();
        let mut values = vec![0.0; channels * height * width];
        self.source
            .normal(self.seed, key, index as u32, timestep as u32, &mut values);
        let data = TensorData::new(values, [1, channels, height, width]);
        Tensor::from_data(data, (&like.device(), DType::F32))
    }
}
