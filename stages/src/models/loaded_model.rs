//! A model on a device, for commands that work without a pipeline.

use std::path::Path;

use burn::tensor::{Device, Tensor};
use mitune_diffusion::device::{DeviceSelection, float_types};
use mitune_diffusion::forward_scores::LatentPosterior;
use mitune_diffusion::image::RgbImage;
use mitune_diffusion::model::{DiffusionModel, ModelDirectory};

use super::latent_decoder::LatentDecoder;
use super::model_source::float_dtype;
use crate::adapters::adapter_file::AdapterFile;
use crate::contract::{Dtype, StageError};

/// A model on a device.
pub(crate) struct LoadedModel {
    pub(crate) model: DiffusionModel,
    pub(crate) device: Device,
    /// The device as options name it.
    pub(crate) device_name: String,
    /// What the user should know of the model.
    pub(crate) notices: Vec<String>,
}

/// What stands for the latent of a given image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Posterior {
    /// The mean of what the autoencoder says.
    #[default]
    Mean,
    /// A draw of its own for every evaluation, as in DiffusionITM; the same draw for all images.
    Sample,
}

impl Posterior {
    /// Returns the name in settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Sample => "sample",
        }
    }
}

/// A device that cannot compute in the format asked for.
#[derive(Debug, thiserror::Error)]
#[error("Device `{device}` does not compute in `{}`; it does in {}", dtype.name(), supported.join(", "))]
struct DtypeError {
    device: String,
    dtype: Dtype,
    supported: Vec<&'static str>,
}

/// Checks that a device computes in a format.
///
/// # Errors
/// [`StageError::Configuration`] with the formats that it knows.
pub(crate) fn check_dtype(device: &Device, device_name: &str, dtype: Dtype) -> Result<(), StageError> {
    let supported = float_types(device);
    match supported.contains(&dtype.name()) {
        true => Ok(()),
        false => Err(StageError::configuration(DtypeError {
            device: device_name.to_owned(),
            dtype,
            supported,
        })),
    }
}

impl LoadedModel {
    /// Opens a device and loads a model onto it, with an adapter folded into the weights where there is one.
    ///
    /// # Errors
    /// [`StageError::Configuration`] if the device is not there or does not know the format, or model or adapter
    /// cannot be used.
    pub(crate) fn load(
        path: &Path,
        adapter: Option<&AdapterFile>,
        device: DeviceSelection,
        dtype: Dtype,
    ) -> Result<Self, StageError> {
        let directory = ModelDirectory::open(path).map_err(StageError::configuration)?;
        let opened = device.open().map_err(StageError::configuration)?;
        let device_name = opened.name();
        let device = opened.device;
        check_dtype(&device, &device_name, dtype)?;
        let dtype = float_dtype(dtype);
        let mut model = directory
            .load(&device, dtype)
            .map_err(StageError::configuration)?;
        if let Some(adapter) = adapter {
            adapter.apply(&mut model).map_err(StageError::configuration)?;
        }
        Ok(Self {
            model,
            device,
            device_name,
            notices: directory.notices(),
        })
    }

    /// What decodes latents of a shape with this model.
    pub(crate) fn latent_decoder(&self, shape: [usize; 3], batch_size: usize) -> LatentDecoder<'_> {
        LatentDecoder::of(&self.model, &self.device, shape, batch_size)
    }

    /// Encodes images of one size into their latents, multiplied by the scaling factor: the mean, and the deviation
    /// where latents are to be drawn.
    ///
    /// # Shapes
    /// - output: `[images, latent channels, height / downscale, width / downscale]`, in f32
    pub(crate) fn encode(&self, images: &[RgbImage], posterior: Posterior) -> LatentPosterior {
        let images = images.iter().map(|image| image.to_tensor(&self.device)).collect();
        let encoded = self.model.encode_posterior(Tensor::stack::<4>(images, 0));
        match posterior {
            Posterior::Mean => LatentPosterior {
                deviation: None,
                ..encoded
            },
            Posterior::Sample => encoded,
        }
    }
}
