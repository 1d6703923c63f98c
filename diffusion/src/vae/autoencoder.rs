//! The autoencoder as a whole.

use burn::module::Module;
use burn::tensor::{DType, Device, Tensor};

use super::config::{AutoencoderConfig, AutoencoderConfigError};
use super::decoder::Decoder;
use super::encoder::Encoder;
use super::tiling::{Pieces, Tiles};
use crate::nn::compute_threads::on_compute_thread;
use crate::nn::kernels::{channels_first, channels_last};
use crate::nn::layers::Conv2d;

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
    /// Pixels along a side of a tile.
    #[module(skip)]
    tile: usize,
    #[module(skip)]
    downscale: usize,
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
            tile: config.sample_size,
            downscale: config.downscale(),
        })
    }

    /// The element type of the parameters.
    pub fn dtype(&self) -> DType {
        self.decoder.dtype()
    }

    /// Encodes images into the mean and the log-variance of their latents, all at once.
    ///
    /// The log-variance is clamped to -30..20, as diffusers' `DiagonalGaussianDistribution` does.
    ///
    /// # Shapes
    /// - image: `[batch, 3, height, width]` with values in -1..1; height and width multiples of
    ///   the downscale
    /// - each output: `[batch, latent_channels, height / downscale, width / downscale]`, in the
    ///   parameters' element type
    pub fn encode(&self, image: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
        self.encode_in(image, Pieces::WHOLE)
    }

    /// Encodes images as [`Self::encode`], in pieces.
    ///
    /// # Shapes
    /// As [`Self::encode`].
    pub fn encode_in(&self, image: Tensor<4>, pieces: Pieces) -> (Tensor<4>, Tensor<4>) {
        let [batch, _, height, width] = image.dims();
        let tiles = Tiles {
            input: self.tile,
            output: self.tile / self.downscale,
        };
        let tiled = pieces.tiles(height * width) && self.tile_fits() && tiles.cut([height, width]);
        let moments = |image: Tensor<4>| match tiled {
            true => tiles.apply(&image, |tile| self.moments(tile)),
            false => self.moments(image),
        };
        let image = image.cast(self.dtype());
        let moments = on_compute_thread(&image.device(), || match pieces.slices([batch, height * width]) {
            true => one_by_one(&image, moments),
            false => moments(image),
        });
        let half = moments.dims()[1] / 2;
        let mean = moments.clone().narrow(1, 0, half);
        let log_variance = moments.narrow(1, half, half).clamp(-30.0, 20.0);
        (mean, log_variance)
    }

    /// Decodes latents (not multiplied by the scaling factor) into images, about -1..1, all at once.
    ///
    /// # Shapes
    /// - latent: `[batch, latent_channels, height, width]`
    /// - output: `[batch, 3, height * downscale, width * downscale]`, in the parameters' element
    ///   type
    pub fn decode(&self, latent: Tensor<4>) -> Tensor<4> {
        self.decode_in(latent, Pieces::WHOLE)
    }

    /// Decodes latents as [`Self::decode`], in pieces.
    ///
    /// # Shapes
    /// As [`Self::decode`].
    pub fn decode_in(&self, latent: Tensor<4>, pieces: Pieces) -> Tensor<4> {
        let [batch, _, height, width] = latent.dims();
        let pixels = height * width * self.downscale * self.downscale;
        let tiles = Tiles {
            input: self.tile / self.downscale,
            output: self.tile,
        };
        let tiled = pieces.tiles(pixels) && self.tile_fits() && tiles.cut([height, width]);
        let image = |latent: Tensor<4>| match tiled {
            true => tiles.apply(&latent, |tile| self.image(tile)),
            false => self.image(latent),
        };
        let latent = latent.cast(self.dtype());
        on_compute_thread(&latent.device(), || match pieces.slices([batch, pixels]) {
            true => one_by_one(&latent, image),
            false => image(latent),
        })
    }

    /// Whether a quarter of a tile is a whole number of latent positions: where it is not, tiles do
    /// not meet and the image would have another size. Every published autoencoder's does.
    fn tile_fits(&self) -> bool {
        self.tile > 0 && self.tile.is_multiple_of(4 * self.downscale)
    }

    /// Mean and log-variance one after the other, `[batch, 2 latent_channels, .., ..]`.
    fn moments(&self, image: Tensor<4>) -> Tensor<4> {
        let moments = self.encoder.forward(channels_last(image));
        let moments = match &self.quant_conv {
            Some(conv) => conv.forward(moments),
            None => moments,
        };
        channels_first(moments)
    }

    fn image(&self, latent: Tensor<4>) -> Tensor<4> {
        let latent = channels_last(latent);
        let latent = match &self.post_quant_conv {
            Some(conv) => conv.forward(latent),
            None => latent,
        };
        channels_first(self.decoder.forward(latent))
    }
}

fn one_by_one(batch: &Tensor<4>, network: impl Fn(Tensor<4>) -> Tensor<4>) -> Tensor<4> {
    let rows = (0..batch.dims()[0]).map(|row| network(batch.clone().narrow(0, row, 1)));
    Tensor::cat(rows.collect(), 0)
}
