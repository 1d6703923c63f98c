//! Whole models in diffusers' folder layout.

mod digests;
mod directory;
mod error;
#[cfg(test)]
mod gradient_tests;
mod index;
#[cfg(test)]
mod tests;
mod write;

use burn::tensor::{DType, Device, Int, Tensor, TensorData};

pub use digests::ModelDigests;
pub use directory::ModelDirectory;
pub use error::ModelError;

use crate::clip::{ClipTextConfig, ClipTextModel};
use crate::conditioning::{Conditioning, ImageSize};
use crate::scheduler::SchedulerConfig;
use crate::tokenizer::Tokenizer;
use crate::unet::{UNet2DConditionConfig, UNet2DConditionModel};
use crate::vae::{AutoencoderConfig, AutoencoderKL};

/// The parts of a text-to-image model, on one device.
#[derive(Debug, Clone)]
pub struct DiffusionModel {
    /// The denoiser.
    pub unet: UNet2DConditionModel,
    /// The autoencoder between pixels and latents.
    pub vae: AutoencoderKL,
    /// The text encoder.
    pub text_encoder: ClipTextModel,
    /// Prompts to token ids.
    pub tokenizer: Tokenizer,
    /// The denoiser's shape.
    pub unet_config: UNet2DConditionConfig,
    /// The autoencoder's shape.
    pub vae_config: AutoencoderConfig,
    /// The text encoder's shape.
    pub text_config: ClipTextConfig,
    /// The noise schedule that the denoiser was trained with.
    pub scheduler_config: SchedulerConfig,
}

/// Prompts as the denoiser reads them.
#[derive(Debug, Clone)]
pub struct EncodedPrompts {
    /// One row per prompt.
    pub conditioning: Conditioning,
    /// Whether each prompt was too long and its end was cut off.
    pub truncated: Vec<bool>,
}

impl DiffusionModel {
    /// Encodes the text of the unconditional branch, one row; usually it is empty.
    ///
    /// # Errors
    /// When it cannot be encoded.
    pub fn encode_negative(
        &self,
        text: &str,
        size: ImageSize,
        device: &Device,
    ) -> Result<EncodedPrompts, ModelError> {
        self.encode_prompts(&[text], size, device)
    }

    /// Encodes prompts for images of a size.
    ///
    /// # Errors
    /// When there are no prompts, or one cannot be encoded.
    pub fn encode_prompts(
        &self,
        prompts: &[&str],
        _size: ImageSize,
        device: &Device,
    ) -> Result<EncodedPrompts, ModelError> {
        let encoded = prompts
            .iter()
            .map(|prompt| self.tokenizer.encode(prompt))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|source| ModelError::Tokenizer { source })?;
        let tokens = encoded.first().ok_or(ModelError::NoPrompts)?.ids.len();
        let ids: Vec<i32> = encoded
            .iter()
            .flat_map(|prompt| &prompt.ids)
            .map(|id| *id as i32)
            .collect();
        let data = TensorData::new(ids, [prompts.len(), tokens]);
        let ids = Tensor::<2, Int>::from_data(data, (device, DType::I32));
        Ok(EncodedPrompts {
            conditioning: self.text_encoder.forward(ids).last_hidden_state.into(),
            truncated: encoded.iter().map(|prompt| prompt.truncated).collect(),
        })
    }

    /// The size of the images of latents of a shape: channels, height, width.
    pub fn image_size(&self, [_, height, width]: [usize; 3]) -> ImageSize {
        let downscale = self.vae_config.downscale();
        ImageSize {
            height: height * downscale,
            width: width * downscale,
        }
    }

    /// Decodes latents as the denoiser knows them, that is multiplied by the scaling factor.
    ///
    /// # Shapes
    /// - latents: `[batch, latent channels, height, width]`
    /// - output: `[batch, 3, height * downscale, width * downscale]`, about -1..1
    pub fn decode(&self, latents: Tensor<4>) -> Tensor<4> {
        self.vae.decode(latents / self.vae_config.scaling_factor)
    }
}
