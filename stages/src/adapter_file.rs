//! An adapter in a file that the user names, in any of the forms in use.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use mitune_diffusion::adapter::{AdapterError, SavedAdapter, merge, multiply_scale};
use mitune_diffusion::unet::UNet2DConditionModel;

/// A file and the scale at which its adapter is applied: `FILE` or `FILE:SCALE`.
#[derive(Clone, Debug, PartialEq)]
pub struct AdapterFile {
    /// A safetensors file in the form of diffusers, PEFT or kohya.
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
    /// A file cannot be read.
    #[error("Cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The file holds no adapter of this model.
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
    /// Folds the adapter into the weights of a denoiser.
    ///
    /// The settings of a PEFT adapter are read from `adapter_config.json` beside the file where there is one.
    ///
    /// # Errors
    /// [`AdapterFileError`] if the file cannot be read or does not fit the denoiser.
    pub(crate) fn apply(&self, unet: &mut UNet2DConditionModel) -> Result<(), AdapterFileError> {
        let bytes = read(&self.path)?;
        let adapter = |source| AdapterFileError::Adapter {
            path: self.path.clone(),
            source,
        };
        let settings = self.path.with_file_name("adapter_config.json");
        let saved = if is_kohya(&bytes) {
            SavedAdapter::from_kohya_bytes(&bytes, unet)
        } else if self
            .path
            .file_name()
            .is_some_and(|name| name == "adapter_model.safetensors")
            && settings.is_file()
        {
            let settings = String::from_utf8_lossy(&read(&settings)?).into_owned();
            SavedAdapter::from_peft_bytes(&bytes, &settings, "unet")
        } else {
            SavedAdapter::from_bytes(&bytes, "unet")
        };
        saved.and_then(|saved| saved.attach(unet)).map_err(adapter)?;
        multiply_scale(unet, self.scale);
        merge(unet);
        Ok(())
    }
}

fn read(path: &Path) -> Result<Vec<u8>, AdapterFileError> {
    std::fs::read(path).map_err(|source| AdapterFileError::Read {
        path: path.to_owned(),
        source,
    })
}

/// Looks at the names of the tensors; a damaged file is left to the reader, which says what is wrong.
fn is_kohya(bytes: &[u8]) -> bool {
    let names = || {
        let (length, rest) = bytes.split_first_chunk::<8>()?;
        let header = rest.get(..usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
        serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(header).ok()
    };
    names().is_some_and(|names| {
        names
            .keys()
            .any(|name| name.starts_with("lora_unet_") || name.starts_with("lora_te_"))
    })
}

#[cfg(test)]
mod tests {
    use burn::tensor::{DType, Device, Tensor, TensorData};
    use mitune_diffusion::adapter::{AdapterConfig, attach};
    use mitune_diffusion::guidance::Denoiser;
    use mitune_diffusion::model::ModelDirectory;

    use super::*;
    use crate::trial_model;

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

    fn output(unet: &UNet2DConditionModel) -> Vec<f32> {
        let device = Device::flex();
        let ramp = |count: usize| (0..count).map(|i| (i as f32 * 0.37).sin()).collect::<Vec<_>>();
        let latents = Tensor::<4>::from_data(TensorData::new(ramp(256), [1, 4, 8, 8]), (&device, DType::F32));
        let context = Tensor::<3>::from_data(TensorData::new(ramp(72), [1, 9, 8]), (&device, DType::F32));
        unet.predict(&latents, 500.0, &context.into())
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
            .load_unet(&device, burn::tensor::FloatDType::F32)
            .unwrap();
        let mut adapted = base.clone();
        attach(&mut adapted, &AdapterConfig::default()).unwrap();
        let mut saved = SavedAdapter::extract(&adapted).unwrap();
        for layer in saved.layers.values_mut() {
            layer.lora_b.iter_mut().for_each(|value| *value = 0.5);
        }
        let diffusers = folder.path().join("diffusers.safetensors");
        let kohya = folder.path().join("kohya.safetensors");
        std::fs::write(&diffusers, saved.to_bytes("unet")).unwrap();
        std::fs::write(&kohya, saved.to_kohya_bytes("unet")).unwrap();
        let applied = |path: &Path, scale| {
            let mut unet = base.clone();
            let path = path.to_owned();
            AdapterFile { path, scale }.apply(&mut unet).unwrap();
            output(&unet)
        };
        let full = applied(&diffusers, 1.0);
        assert_eq!(full, applied(&kohya, 1.0));
        let distance = |other: &[f32]| {
            let base = output(&base);
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
    fn a_file_that_is_no_adapter_is_named() {
        let folder = tempfile::tempdir().unwrap();
        trial_model::write(&folder.path().join("model"));
        let device = Device::flex();
        let mut unet = ModelDirectory::open(&folder.path().join("model"))
            .unwrap()
            .load_unet(&device, burn::tensor::FloatDType::F32)
            .unwrap();
        let path = folder.path().join("a.safetensors");
        let mut apply = || {
            let file: AdapterFile = path.to_str().unwrap().parse().unwrap();
            file.apply(&mut unet).unwrap_err().to_string()
        };
        assert_eq!(apply(), format!("Cannot read `{}`", path.display()));
        std::fs::write(&path, b"no adapter").unwrap();
        assert!(apply().starts_with(&format!("Adapter `{}` ", path.display())));
    }
}
