//! An adapter in a file that the user names, in any of the forms in use.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use mitune_diffusion::adapter::{AdapterContents, AdapterError, SavedAdapter};
use mitune_diffusion::input_file::InputFileError;
use mitune_diffusion::model::DiffusionModel;

use super::adapter_place::{AdapterPlace, AdapterPlaceError};
use super::fold::fold_into;

/// A file and the scale at which its adapter is applied: `FILE` or `FILE:SCALE`.
#[derive(Clone, Debug, PartialEq)]
pub struct AdapterFile {
    /// A safetensors file in the form of diffusers, PEFT or kohya, or a folder with one.
    pub path: PathBuf,
    /// Factor of the adapter's own scale. By default, 1.
    pub scale: f64,
}

/// An adapter that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AdapterFileError {
    /// The scale is not a number.
    #[error("Scale of adapter `{text}` is infinite or no number")]
    Scale {
        /// What was given.
        text: String,
    },
    /// What stands behind the file's name is no scale.
    #[error("`{}` is there, but `{scale}` after its colon is no scale, such as 0.5", path.display())]
    NoScale {
        /// The file before the colon.
        path: PathBuf,
        /// What stands behind it.
        scale: String,
    },
    /// Nothing has that name, or it is no folder with an adapter.
    #[error(transparent)]
    Place(#[from] AdapterPlaceError),
    /// PEFT's settings beside the file cannot be read.
    #[error(transparent)]
    Settings(#[from] InputFileError),
    /// The file holds no adapter.
    #[error("`{}` cannot be read as an adapter", path.display())]
    Contents {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: AdapterError,
    },
    /// The file holds an adapter of another model.
    #[error("Adapter `{}` cannot be applied to the model", path.display())]
    Adapter {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: AdapterError,
    },
}

impl FromStr for AdapterFile {
    type Err = AdapterFileError;

    /// Takes what follows the last colon as the scale if it is a number, since names of files may hold colons.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let scaled = text
            .rsplit_once(':')
            .and_then(|(path, scale)| Some((path, scale.parse::<f64>().ok()?)));
        match scaled {
            Some((_, scale)) if !scale.is_finite() => Err(AdapterFileError::Scale {
                text: text.to_owned(),
            }),
            Some((path, scale)) => Ok(Self {
                path: path.into(),
                scale,
            }),
            None => Ok(Self {
                path: text.into(),
                scale: 1.0,
            }),
        }
    }
}

impl AdapterFile {
    /// Folds the adapter into the weights of the denoiser and of the text encoders.
    ///
    /// # Errors
    /// [`AdapterFileError`] if the file cannot be read or does not fit the model.
    pub(crate) fn apply(&self, model: &mut DiffusionModel) -> Result<(), AdapterFileError> {
        let adapters = self.read()?.adapters;
        fold_into(model, &adapters, self.scale).map_err(|source| AdapterFileError::Adapter {
            path: self.path.clone(),
            source,
        })
    }

    /// Reads the adapter of the denoiser, at its own scale, from a file that changes nothing else.
    ///
    /// # Errors
    /// As [`Self::read`], and if the file changes a text encoder too.
    pub(crate) fn read_denoiser(&self) -> Result<SavedAdapter, AdapterFileError> {
        self.read()?
            .denoiser()
            .map_err(|source| AdapterFileError::Adapter {
                path: self.path.clone(),
                source,
            })
    }

    /// Reads the file.
    ///
    /// The path may be a folder that diffusers or PEFT wrote. PEFT's settings are read from `adapter_config.json` beside
    /// its file.
    ///
    /// # Errors
    /// [`AdapterFileError`] if the file cannot be read or holds no adapter.
    pub(crate) fn read(&self) -> Result<AdapterContents, AdapterFileError> {
        self.check_scale()?;
        let place = AdapterPlace::of(&self.path)?;
        let settings = place.settings()?;
        AdapterContents::open(&place.file, settings.as_deref()).map_err(|source| AdapterFileError::Contents {
            path: place.file,
            source,
        })
    }

    /// Finds what was meant as a scale where no file has the whole name.
    fn check_scale(&self) -> Result<(), AdapterFileError> {
        let text = self.path.to_string_lossy();
        match text.rsplit_once(':') {
            Some((path, scale)) if !self.path.exists() && Path::new(path).exists() => {
                Err(AdapterFileError::NoScale {
                    path: path.into(),
                    scale: scale.to_owned(),
                })
            }
            _ => Ok(()),
        }
    }
}

impl AdapterFileError {
    /// What to do, where that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Place(error) => error.hint(),
            Self::Settings(error) => error.hint(),
            Self::Contents { source, .. } => source.hint(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{DType, Device, Tensor, TensorData};
    use mitune_diffusion::adapter::{AdapterConfig, attach};
    use mitune_diffusion::denoiser::{Denoiser, NoiseLevel};
    use mitune_diffusion::model::{DenoisingNetwork, ModelDirectory};
    use mitune_diffusion::nn::weights::Dtype;

    use super::*;
    use crate::testing::trial_model;

    #[test]
    fn the_scale_follows_the_last_colon() {
        let parse = |text: &str| {
            let file: AdapterFile = text.parse().unwrap();
            (file.path.display().to_string(), file.scale)
        };
        assert_eq!(parse("a.safetensors"), ("a.safetensors".to_owned(), 1.0));
        assert_eq!(parse("a.safetensors:0.5"), ("a.safetensors".to_owned(), 0.5));
        assert_eq!(parse("c:/a.safetensors"), ("c:/a.safetensors".to_owned(), 1.0));
        assert_eq!(
            parse("c:/a.safetensors:-2"),
            ("c:/a.safetensors".to_owned(), -2.0)
        );
        assert!("a.safetensors:inf".parse::<AdapterFile>().is_err());
    }

    fn output(network: &DenoisingNetwork) -> Vec<f32> {
        let device = Device::flex();
        let ramp = |count: usize| (0..count).map(|i| (i as f32 * 0.37).sin()).collect::<Vec<_>>();
        let latents = Tensor::<4>::from_data(TensorData::new(ramp(256), [1, 4, 8, 8]), (&device, DType::F32));
        let context = Tensor::<3>::from_data(TensorData::new(ramp(72), [1, 9, 8]), (&device, DType::F32));
        let level = NoiseLevel::variance_preserving(500.0, 0.5);
        network
            .predict(&latents, level, &context.into())
            .unwrap()
            .try_into_vec_as()
            .unwrap()
    }

    #[test]
    fn both_forms_change_the_model_alike_and_scale_zero_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        trial_model::write(&folder.path().join("model"));
        let device = Device::flex();
        let base = ModelDirectory::open(&folder.path().join("model"))
            .unwrap()
            .load(&device, burn::tensor::FloatDType::F32)
            .unwrap();
        let mut adapted = base.network.clone();
        attach(&mut adapted, &AdapterConfig::default()).unwrap();
        let mut saved = SavedAdapter::extract(&adapted).unwrap();
        for layer in saved.layers.values_mut() {
            layer.lora_b.iter_mut().for_each(|value| *value = 0.5);
        }
        let diffusers = folder.path().join("diffusers.safetensors");
        let kohya = folder.path().join("kohya.safetensors");
        std::fs::write(&diffusers, saved.to_bytes("unet", Dtype::F32).unwrap()).unwrap();
        std::fs::write(&kohya, saved.to_kohya_bytes("unet", Dtype::F32).unwrap()).unwrap();
        let applied = |path: &Path, scale| {
            let mut model = base.clone();
            let path = path.to_owned();
            AdapterFile { path, scale }.apply(&mut model).unwrap();
            output(&model.network)
        };
        let full = applied(&diffusers, 1.0);
        assert_eq!(full, applied(&kohya, 1.0));
        let distance = |other: &[f32]| {
            let base = output(&base.network);
            base.iter()
                .zip(other)
                .map(|(a, b)| (a - b).abs())
                .fold(0.0, f32::max)
        };
        assert!(distance(&full) > 1e-3);
        assert!(distance(&applied(&diffusers, 0.5)) > 1e-4);
        assert_ne!(full, applied(&diffusers, 0.5));
        assert!(distance(&applied(&kohya, 0.0)) < 1e-5);
    }

    #[test]
    fn a_scale_that_is_none_and_a_device_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.safetensors");
        std::fs::write(&path, "").unwrap();
        let read = |text: &str| text.parse::<AdapterFile>().unwrap().read().unwrap_err();
        let error = read(&format!("{}:half", path.display()));
        assert!(
            error
                .to_string()
                .ends_with("`half` after its colon is no scale, such as 0.5"),
            "{error}"
        );
        #[cfg(unix)]
        assert!(read("/dev/null").to_string().contains("a pipe or device"));
    }

    #[test]
    fn a_file_that_is_no_adapter_is_named() {
        let folder = tempfile::tempdir().unwrap();
        trial_model::write(&folder.path().join("model"));
        let device = Device::flex();
        let mut model = ModelDirectory::open(&folder.path().join("model"))
            .unwrap()
            .load(&device, burn::tensor::FloatDType::F32)
            .unwrap();
        let path = folder.path().join("a.safetensors");
        let mut apply = || {
            let file: AdapterFile = path.to_str().unwrap().parse().unwrap();
            file.apply(&mut model).unwrap_err().to_string()
        };
        assert_eq!(apply(), format!("Adapter `{}` does not exist", path.display()));
        std::fs::write(&path, b"no adapter").unwrap();
        assert_eq!(
            apply(),
            format!("`{}` cannot be read as an adapter", path.display())
        );
    }
}
