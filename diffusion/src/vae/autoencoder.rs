//! The autoencoder as a whole.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::config::{AutoencoderConfig, AutoencoderConfigError};
use super::decoder::Decoder;
use super::encoder::Encoder;
use crate::unet::Conv2d;

/// diffusers' `AutoencoderKL`.
///
/// Latents here are the autoencoder's own. The denoiser works on latents multiplied by
/// [`AutoencoderConfig::scaling_factor`].
#[derive(Module, Debug)]
pub struct AutoencoderKL {
    encoder: Encoder,
    decoder: Decoder,
    quant_conv: Option<Conv2d>,
    post_quant_conv: Option<Conv2d>,
}

impl AutoencoderKL {
    /// Builds an autoencoder with random parameters.
    ///
    /// # Errors
    /// When the configuration is unsupported or inconsistent.
    pub fn new(config: &AutoencoderConfig, device: &Device) -> Result<Self, AutoencoderConfigError> {
        config.validate()?;
        let latent = config.latent_channels;
        Ok(Self {
            encoder: Encoder::new(config, device),
            decoder: Decoder::new(config, device),
            quant_conv: config
                .use_quant_conv
                .then(|| Conv2d::same([2 * latent, 2 * latent], 1, device)),
            post_quant_conv: config
                .use_post_quant_conv
                .then(|| Conv2d::same([latent, latent], 1, device)),
        })
    }

    /// Encodes images into the mean and the log-variance of their latents.
    ///
    /// The log-variance is clamped to -30..20, as diffusers' `DiagonalGaussianDistribution` does.
    ///
    /// # Shapes
    /// - image: `[batch, 3, height, width]` with values in -1..1; height and width multiples of
    ///   the downscale
    /// - each output: `[batch, latent_channels, height / downscale, width / downscale]`
    pub fn encode(&self, image: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
        let moments = self.encoder.forward(image.permute([0, 2, 3, 1]));
        let moments = match &self.quant_conv {
            Some(conv) => conv.forward(moments),
            None => moments,
        };
        let moments = moments.permute([0, 3, 1, 2]);
        let half = moments.dims()[1] / 2;
        let mean = moments.clone().narrow(1, 0, half);
        let log_variance = moments.narrow(1, half, half).clamp(-30.0, 20.0);
        (mean, log_variance)
    }

    /// Decodes latents (not multiplied by the scaling factor) into images, about -1..1.
    ///
    /// # Shapes
    /// - latent: `[batch, latent_channels, height, width]`
    /// - output: `[batch, 3, height * downscale, width * downscale]`
    pub fn decode(&self, latent: Tensor<4>) -> Tensor<4> {
        let latent = latent.permute([0, 2, 3, 1]);
        let latent = match &self.post_quant_conv {
            Some(conv) => conv.forward(latent),
            None => latent,
        };
        self.decoder.forward(latent).permute([0, 3, 1, 2])
    }
}
