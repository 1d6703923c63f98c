//! Published architectures, and models of them with random weights.
//!
//! What a model computes depends on its weights, how fast and in how much memory only on its
//! architecture. So shapes, speed and memory can be measured without gigabytes from elsewhere.

mod published;
mod tokenizer;
mod write;

use std::fmt;
use std::str::FromStr;

use burn::tensor::{Device, FloatDType};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::component::load_seeded;
use super::directory::UNET_NAMES;
use super::{DenoisingNetwork, ModelError};
use crate::clip::{ClipTextConfig, ClipTextModel, TEXT_MODEL_NAMES};
use crate::unet::{UNet2DConditionConfig, UNet2DConditionModel};
use crate::vae::{AUTOENCODER_NAMES, AutoencoderConfig, AutoencoderKL};
use published::Published;

/// An architecture that a model can be made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    /// Stable Diffusion 1.4 and 1.5.
    Sd15,
    /// Stable Diffusion 2.1-base, which predicts noise at 512 x 512 pixels; SPRIGHT is the same.
    Sd21Base,
    /// Stable Diffusion 2.1, which predicts velocity at 768 x 768 pixels.
    Sd21,
    /// Stable Diffusion XL base.
    Sdxl,
    /// As [`Self::Sd15`] with a few thousand parameters.
    TinySd15,
    /// As [`Self::Sd21`] with a few thousand parameters.
    TinySd21,
    /// As [`Self::Sdxl`] with a few thousand parameters.
    TinySdxl,
}

/// A name that is no architecture.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Architecture `{found}` is unknown, expected one of {}", names())]
pub struct UnknownArchitecture {
    /// The name.
    pub found: String,
}

impl Architecture {
    /// Every architecture.
    pub const ALL: [Self; 7] = [
        Self::Sd15,
        Self::Sd21Base,
        Self::Sd21,
        Self::Sdxl,
        Self::TinySd15,
        Self::TinySd21,
        Self::TinySdxl,
    ];

    /// The name that options take.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sd15 => "sd15",
            Self::Sd21Base => "sd21-base",
            Self::Sd21 => "sd21",
            Self::Sdxl => "sdxl",
            Self::TinySd15 => "tiny-sd15",
            Self::TinySd21 => "tiny-sd21",
            Self::TinySdxl => "tiny-sdxl",
        }
    }

    /// The denoiser's shape.
    ///
    /// # Errors
    /// None but a fault of this program.
    pub fn unet_config(self) -> Result<UNet2DConditionConfig, ModelError> {
        understood("unet", self.published().unet)
    }

    /// The autoencoder's shape.
    ///
    /// # Errors
    /// None but a fault of this program.
    pub fn vae_config(self) -> Result<AutoencoderConfig, ModelError> {
        understood("vae", self.published().vae)
    }

    /// The shapes of the text encoders: one, or two for Stable Diffusion XL.
    ///
    /// # Errors
    /// None but a fault of this program.
    pub fn text_configs(self) -> Result<Vec<ClipTextConfig>, ModelError> {
        let texts = self.published().texts.into_iter();
        texts
            .map(|text| understood("text_encoder", text.config))
            .collect()
    }

    /// Makes the denoiser alone, on a device.
    ///
    /// # Errors
    /// As [`ModelDirectory::load`](super::ModelDirectory::load).
    pub fn network(
        self,
        seed: u64,
        device: &Device,
        dtype: FloatDType,
    ) -> Result<DenoisingNetwork, ModelError> {
        let config = self.unet_config()?;
        let module = UNet2DConditionModel::new(&config, device);
        let network = load_seeded("unet", module, seed, &UNET_NAMES, dtype)?;
        Ok(DenoisingNetwork::of_unet(network, config))
    }

    /// Makes the autoencoder alone, on a device.
    ///
    /// # Errors
    /// As [`ModelDirectory::load`](super::ModelDirectory::load).
    pub fn vae(self, seed: u64, device: &Device, dtype: FloatDType) -> Result<AutoencoderKL, ModelError> {
        let module =
            AutoencoderKL::new(&self.vae_config()?, device).map_err(|source| ModelError::Autoencoder {
                path: "vae".into(),
                source,
            })?;
        load_seeded("vae", module, seed, &AUTOENCODER_NAMES, dtype)
    }

    /// Makes the text encoders alone, on a device.
    ///
    /// # Errors
    /// As [`ModelDirectory::load`](super::ModelDirectory::load).
    pub fn text_encoders(
        self,
        seed: u64,
        device: &Device,
        dtype: FloatDType,
    ) -> Result<Vec<ClipTextModel>, ModelError> {
        let load = |config: ClipTextConfig| {
            let module = text_model(&config, device)?;
            load_seeded("text_encoder", module, seed, &TEXT_MODEL_NAMES, dtype)
        };
        self.text_configs()?.into_iter().map(load).collect()
    }

    fn published(self) -> Published {
        published::of(self)
    }
}

fn text_model(config: &ClipTextConfig, device: &Device) -> Result<ClipTextModel, ModelError> {
    ClipTextModel::new(config, device).map_err(|source| ModelError::TextModel {
        path: "text_encoder".into(),
        source,
    })
}

fn understood<T: DeserializeOwned>(component: &'static str, config: Value) -> Result<T, ModelError> {
    serde_json::from_value(config).map_err(|source| ModelError::Config {
        path: component.into(),
        source: source.into(),
    })
}

fn names() -> String {
    let names = Architecture::ALL.map(|architecture| format!("`{}`", architecture.name()));
    names.join(", ")
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Architecture {
    type Err = UnknownArchitecture;

    fn from_str(name: &str) -> Result<Self, UnknownArchitecture> {
        let found = Self::ALL.into_iter().find(|one| one.name() == name);
        found.ok_or_else(|| UnknownArchitecture {
            found: name.to_owned(),
        })
    }
}
