//! From latents to images.

use burn::tensor::{DType, Device, Tensor, TensorData};
use mitune_diffusion::image::{ImageError, RgbImage};
use mitune_diffusion::model::DiffusionModel;
use mitune_diffusion::vae::{AutoencoderConfig, AutoencoderKL, Pieces};

/// Decodes latents of one shape in a batch of a fixed size: the one way from latents to pixels.
pub(crate) struct LatentDecoder<'a> {
    pub(crate) vae: &'a AutoencoderKL,
    pub(crate) vae_config: &'a AutoencoderConfig,
    pub(crate) device: &'a Device,
    /// Channels, height and width of a latent.
    pub(crate) shape: [usize; 3],
    /// Latents in the batch; places that no latent takes are filled up, so that an image does not depend on how many
    /// there are.
    pub(crate) batch_size: usize,
}

impl<'a> LatentDecoder<'a> {
    /// Takes the autoencoder of a whole model.
    pub(crate) fn of(
        model: &'a DiffusionModel,
        device: &'a Device,
        shape: [usize; 3],
        batch_size: usize,
    ) -> Self {
        Self {
            vae: &model.vae,
            vae_config: &model.vae_config,
            device,
            shape,
            batch_size,
        }
    }

    /// Decodes at most one batch of latents as the denoiser knows them, that is multiplied by the scaling factor.
    /// Large images are [tiled](Pieces::LARGE).
    pub(crate) fn decode<'l>(
        &self,
        latents: impl IntoIterator<Item = &'l [f32]>,
    ) -> Vec<Result<RgbImage, ImageError>> {
        let [channels, height, width] = self.shape;
        let mut values = Vec::with_capacity(self.batch_size * channels * height * width);
        let mut count = 0;
        for latent in latents {
            values.extend_from_slice(latent);
            count += 1;
        }
        values.resize(self.batch_size * channels * height * width, 0.0);
        let data = TensorData::new(values, [self.batch_size, channels, height, width]);
        let latents = Tensor::<4>::from_data(data, (self.device, DType::F32));
        let images = self
            .vae
            .decode_in(self.vae_config.unscaled(latents), Pieces::LARGE);
        let image = |place: usize| {
            let image = images.clone().narrow(0, place, 1).squeeze_dim::<3>(0);
            RgbImage::from_tensor(image)
        };
        (0..count).map(image).collect()
    }

    /// Decodes at most one batch of latents to files.
    ///
    /// # Errors
    /// [`ImageError`] if one of them is no image.
    pub(crate) fn decode_to_png<'l>(
        &self,
        latents: impl IntoIterator<Item = &'l [f32]>,
    ) -> Result<Vec<Vec<u8>>, ImageError> {
        let images = self.decode(latents).into_iter();
        images.map(|image| image?.to_png()).collect()
    }
}
