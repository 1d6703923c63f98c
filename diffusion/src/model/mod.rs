//! Whole models in diffusers' folder layout.

mod architecture;
mod component;
mod denoising_network;
mod digests;
mod directory;
mod draft;
mod encode;
mod error;
mod fit;
#[cfg(test)]
mod gradient_tests;
mod index;
mod loading;
mod place;
mod place_error;
#[cfg(test)]
mod tests;
mod text;
mod write;

use burn::tensor::{DType, Tensor};

pub use architecture::{Architecture, UnknownArchitecture};
pub use denoising_network::DenoisingNetwork;
pub use digests::ModelDigests;
pub use directory::ModelDirectory;
pub use encode::{EncodedPrompts, TokenizedPrompts};
pub use error::ModelError;
pub use place_error::PlaceError;
pub use write::write_text_encoder_weights;

use crate::clip::{ClipTextConfig, ClipTextModel};
use crate::conditioning::ImageSize;
use crate::denoiser::{Denoiser, DenoiserShape};
use crate::forward_scores::LatentPosterior;
use crate::scheduler::SchedulerConfig;
use crate::tokenizer::Tokenizer;
use crate::vae::{AutoencoderConfig, AutoencoderKL, Pieces};

/// The parts of a text-to-image model, on one device.
#[derive(Debug, Clone)]
pub struct DiffusionModel {
    /// The denoiser.
    pub network: DenoisingNetwork,
    /// The autoencoder between pixels and latents.
    pub vae: AutoencoderKL,
    /// The text encoder.
    pub text_encoder: ClipTextModel,
    /// The second text encoder, of Stable Diffusion XL.
    pub second_text_encoder: Option<SecondTextEncoder>,
    /// Prompts to token ids.
    pub tokenizer: Tokenizer,
    /// The autoencoder's shape.
    pub vae_config: AutoencoderConfig,
    /// The text encoder's shape.
    pub text_config: ClipTextConfig,
    /// The noise schedule that the denoiser was trained with.
    pub scheduler_config: SchedulerConfig,
}

/// The second text encoder of Stable Diffusion XL.
#[derive(Debug, Clone)]
pub struct SecondTextEncoder {
    /// The text encoder, with a projection.
    pub text_encoder: ClipTextModel,
    /// Prompts to token ids.
    pub tokenizer: Tokenizer,
    /// The text encoder's shape.
    pub text_config: ClipTextConfig,
    /// Whether the empty text of the unconditional branch is all zeros instead of being encoded.
    pub force_zeros_for_empty_prompt: bool,
}

impl DiffusionModel {
    /// What predicts; who samples or scores asks it and need not know the network.
    pub fn denoiser(&self) -> &dyn Denoiser {
        &self.network
    }

    /// What can be known of the denoiser without knowing the network.
    pub fn denoiser_shape(&self) -> DenoiserShape {
        self.network.denoiser_shape()
    }

    /// The size of the images of latents of a shape: channels, height, width.
    pub fn image_size(&self, [_, height, width]: [usize; 3]) -> ImageSize {
        let downscale = self.vae_config.downscale();
        ImageSize {
            height: height * downscale,
            width: width * downscale,
        }
    }

    /// Decodes latents as the denoiser knows them, that is shifted and multiplied by the scaling factor.
    /// Large images are [tiled](Pieces::LARGE).
    ///
    /// # Shapes
    /// - latents: `[batch, latent channels, height, width]`
    /// - output: `[batch, 3, height * downscale, width * downscale]`, about -1..1
    pub fn decode(&self, latents: Tensor<4>) -> Tensor<4> {
        self.vae
            .decode_in(self.vae_config.unscaled(latents), Pieces::LARGE)
    }

    /// Encodes images into the mean of their latents as the denoiser knows them, that is shifted and
    /// multiplied by the scaling factor, in f32. Large images are [tiled](Pieces::LARGE).
    ///
    /// # Shapes
    /// - images: `[batch, 3, height, width]`, -1..1
    /// - output: `[batch, latent channels, height / downscale, width / downscale]`
    pub fn encode(&self, images: Tensor<4>) -> Tensor<4> {
        self.encode_posterior(images).mean
    }

    /// Encodes images into the mean and standard deviation of their latents as the denoiser knows them:
    /// both multiplied by the scaling factor, the mean shifted before.
    ///
    /// # Shapes
    /// As [`Self::encode`], for each of the two.
    pub fn encode_posterior(&self, images: Tensor<4>) -> LatentPosterior {
        let (mean, log_variance) = self.vae.encode_in(images, Pieces::LARGE);
        let deviation = log_variance.cast(DType::F32).mul_scalar(0.5).exp();
        LatentPosterior {
            mean: self.vae_config.scaled(mean.cast(DType::F32)),
            // A shift moves all draws alike.
            deviation: Some(deviation.mul_scalar(self.vae_config.scaling_factor)),
        }
    }
}
