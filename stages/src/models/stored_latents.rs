//! Latents to pixels with nothing of a model but its autoencoder, for looking at finished candidates.

use std::path::Path;

use burn::tensor::{Device, FloatDType};
use mitune_diffusion::image::{ImageError, RgbImage};
use mitune_diffusion::model::{ModelDirectory, ModelError};
use mitune_diffusion::vae::{AutoencoderConfig, AutoencoderKL};
use mitune_store::{Artifact, Store, StoreError};

use super::batch_size::BATCH_ELEMENTS;
use super::latent_decoder::LatentDecoder;

/// The autoencoder of a model on a device, in f32.
pub struct StoredLatentDecoder {
    vae: AutoencoderKL,
    config: AutoencoderConfig,
    device: Device,
}

/// Latents that could not be decoded.
#[derive(Debug, thiserror::Error)]
pub enum StoredLatentError {
    /// The model could not be loaded.
    #[error("The model cannot be loaded")]
    Model(#[from] ModelError),
    /// The model could not be read from the store.
    #[error("The model cannot be read from the store")]
    Store(#[from] StoreError),
    /// There is no room for a copy of the model.
    #[error("No temporary folder could be made for the model")]
    Temporary(#[source] std::io::Error),
    /// Latents are of another shape than the model makes.
    #[error("A latent has the shape {found:?} and {elements} elements, the model's {channels} channels")]
    Shape {
        /// Channels, height and width as stated.
        found: [usize; 3],
        /// Numbers there are.
        elements: usize,
        /// Channels of the model's latents.
        channels: usize,
    },
    /// Decoding gave no image.
    #[error("A latent does not decode to an image")]
    Image(#[from] ImageError),
}

impl StoredLatentDecoder {
    /// Loads the autoencoder of a model directory.
    ///
    /// # Errors
    /// [`StoredLatentError::Model`] if there is no usable model.
    pub fn open(path: &Path, device: &Device) -> Result<Self, StoredLatentError> {
        let directory = ModelDirectory::open(path)?;
        Ok(Self {
            vae: directory.load_vae(device, FloatDType::F32)?,
            config: directory.vae_config().clone(),
            device: device.clone(),
        })
    }

    /// Loads the autoencoder of a model that a stage made.
    ///
    /// # Errors
    /// [`StoredLatentError`] if the artifact is missing, damaged or no model.
    pub fn of_artifact(store: &Store, model: &Artifact, device: &Device) -> Result<Self, StoredLatentError> {
        let temporary = tempfile::tempdir().map_err(StoredLatentError::Temporary)?;
        let path = temporary.path().join("model");
        store.artifacts().export(model, &path)?;
        Self::open(&path, device)
    }

    /// Decodes one latent after the other, in small batches; `latents` are row-major and multiplied by the scaling
    /// factor, as candidates hold them.
    ///
    /// # Errors
    /// [`StoredLatentError`] if a latent is not of `shape` or of this model, or is no image.
    pub fn decode(&self, latents: &[&[f32]], shape: [usize; 3]) -> Result<Vec<RgbImage>, StoredLatentError> {
        let [channels, height, width] = shape;
        let expected = channels
            .checked_mul(height)
            .and_then(|area| area.checked_mul(width));
        for latent in latents {
            if expected != Some(latent.len()) || latent.is_empty() || channels != self.config.latent_channels
            {
                return Err(StoredLatentError::Shape {
                    found: shape,
                    elements: latent.len(),
                    channels: self.config.latent_channels,
                });
            }
        }
        let batch = (BATCH_ELEMENTS / expected.unwrap_or(1).max(1)).max(1);
        let mut images = Vec::with_capacity(latents.len());
        for batch in latents.chunks(batch) {
            let decoder = LatentDecoder {
                vae: &self.vae,
                vae_config: &self.config,
                device: &self.device,
                shape,
                batch_size: batch.len(),
            };
            for image in decoder.decode(batch.iter().copied()) {
                images.push(image?);
            }
        }
        Ok(images)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Tensor, TensorData};

    use super::*;
    use crate::draws::Draws;
    use crate::testing::trial_model;

    fn latents(count: usize, elements: usize) -> Vec<Vec<f32>> {
        let mut draws = Draws::new("stored latents test", 0, 0);
        let mut latent = || (0..elements).map(|_| draws.unit() as f32 * 4.0 - 2.0).collect();
        (0..count).map(|_| latent()).collect()
    }

    #[test]
    fn latents_decode_as_by_the_whole_model() {
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join("model");
        trial_model::write(&model);
        let device = Device::flex();
        let decoder = StoredLatentDecoder::open(&model, &device).unwrap();
        let latents = latents(3, 256);
        let borrowed: Vec<&[f32]> = latents.iter().map(Vec::as_slice).collect();
        let images = decoder.decode(&borrowed, [4, 8, 8]).unwrap();
        let model = ModelDirectory::open(&model).unwrap();
        let model = model.load(&device, FloatDType::F32).unwrap();
        for (latent, image) in latents.into_iter().zip(images) {
            let data = TensorData::new(latent, [1, 4, 8, 8]);
            let expected = model.decode(Tensor::<4>::from_data(data, &device));
            let expected = RgbImage::from_tensor(expected.squeeze_dim::<3>(0)).unwrap();
            assert_eq!((image.width(), image.height()), (32, 32));
            // Batches of other sizes may round differently.
            let far = |(one, other): (&u8, &u8)| one.abs_diff(*other) > 1;
            assert!(!image.pixels().iter().zip(expected.pixels()).any(far));
        }
    }

    #[test]
    fn latents_of_another_shape_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join("model");
        trial_model::write(&model);
        let decoder = StoredLatentDecoder::open(&model, &Device::flex()).unwrap();
        let latent = vec![0.0; 256];
        for shape in [[3, 8, 8], [4, 8, 9], [4, usize::MAX, 2], [0, 8, 8]] {
            let error = decoder.decode(&[&latent], shape).unwrap_err();
            assert!(matches!(error, StoredLatentError::Shape { .. }), "{error:?}");
        }
        assert!(decoder.decode(&[], [4, 8, 8]).unwrap().is_empty());
    }
}
