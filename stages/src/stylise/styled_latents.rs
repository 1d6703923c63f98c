//! Latents of styled images: the mean of what the autoencoder says of them.

use burn::tensor::{DType, Device, Tensor, TensorData, TensorReadError};
use mitune_diffusion::image::RgbImage;
use mitune_diffusion::model::DiffusionModel;

use crate::tables::latent_rows::Latent;

/// Encodes images in batches of a fixed shape.
pub(super) struct Encoder<'a> {
    pub(super) model: &'a DiffusionModel,
    pub(super) device: &'a Device,
    /// Images of a batch; batches are filled up with grey, so that a latent does not depend on its neighbours.
    pub(super) batch_size: usize,
}

/// An image that has no latent.
#[derive(Debug, thiserror::Error)]
pub(super) enum EncodeError {
    #[error(
        "Image of {width} x {height} pixels cannot be encoded, expected sides that are multiples of {step}"
    )]
    Sides { width: u32, height: u32, step: usize },
    #[error("The autoencoder gives no numbers for an image of {width} x {height} pixels")]
    NotFinite { width: u32, height: u32 },
    #[error("Latents could not be read from the device")]
    Unreadable(#[from] TensorReadError),
}

impl Encoder<'_> {
    /// Encodes at most a batch of images, in their order; latents are multiplied by the scaling factor.
    ///
    /// # Errors
    /// [`EncodeError`] if an image is not of a size that the autoencoder halves, or has no latent.
    pub(super) fn encode(&self, images: &[&RgbImage]) -> Result<Vec<Latent>, EncodeError> {
        let mut latents = Vec::with_capacity(images.len());
        for alike in images.chunk_by(|one, other| size(one) == size(other)) {
            latents.extend(self.encode_alike(alike)?);
        }
        Ok(latents)
    }

    /// Encodes images of one size.
    fn encode_alike(&self, images: &[&RgbImage]) -> Result<Vec<Latent>, EncodeError> {
        let Some(first) = images.first() else {
            return Ok(Vec::new());
        };
        let (width, height) = (first.width(), first.height());
        let step = self.model.vae_config.downscale();
        let (columns, rows) = (width as usize, height as usize);
        if columns % step != 0 || rows % step != 0 {
            return Err(EncodeError::Sides { width, height, step });
        }
        let mut tensors: Vec<Tensor<3>> = images.iter().map(|image| image.to_tensor(self.device)).collect();
        while tensors.len() < self.batch_size {
            let grey = TensorData::new(vec![0.0_f32; 3 * rows * columns], [3, rows, columns]);
            tensors.push(Tensor::from_data(grey, (self.device, DType::F32)));
        }
        let latents = self.model.encode(Tensor::stack::<4>(tensors, 0));
        let [_, channels, rows, columns] = latents.dims();
        let data = latents.try_into_data_dtype(DType::F32)?;
        let values: Vec<f32> = data.try_into_vec().map_err(TensorReadError::from)?;
        let each = values.chunks(channels * rows * columns).take(images.len());
        each.map(|values| match values.iter().all(|value| value.is_finite()) {
            true => Ok(Latent {
                values: values.to_vec(),
                shape: [channels, rows, columns],
            }),
            false => Err(EncodeError::NotFinite { width, height }),
        })
        .collect()
    }
}

fn size(image: &RgbImage) -> (u32, u32) {
    (image.width(), image.height())
}
