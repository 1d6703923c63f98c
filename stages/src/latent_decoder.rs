//! From latents to images.

use burn::tensor::{DType, Device, Tensor, TensorData};
use mitune_diffusion::image::{ImageError, RgbImage};
use mitune_diffusion::model::DiffusionModel;

/// Decodes latents of one shape in a batch of a fixed size.
pub(crate) struct LatentDecoder<'a> {
    pub(crate) model: &'a DiffusionModel,
    pub(crate) device: &'a Device,
    /// Channels, height and width of a latent.
    pub(crate) shape: [usize; 3],
    /// Latents in the batch; places that no latent takes are filled up, so that an image does not depend on how many
    /// there are.
    pub(crate) batch_size: usize,
}

impl LatentDecoder<'_> {
    /// Decodes at most one batch of latents as the denoiser knows them, that is multiplied by the scaling factor.
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
        let images = self.model.decode(latents);
        let image = |place: usize| {
            let image = images.clone().narrow(0, place, 1).squeeze_dim::<3>(0);
            RgbImage::from_tensor(image)
        };
        (0..count).map(image).collect()
    }
}
