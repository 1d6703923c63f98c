//! From a model folder to networks on a device.

use burn::tensor::{Device, FloatDType};

use super::component::fill;
use super::directory::{ModelDirectory, UNET_NAMES};
use super::{DenoisingNetwork, DiffusionModel, ModelDigests, ModelError, SecondTextEncoder};
use crate::clip::ClipTextModel;
use crate::nn::weights::{DigestedTensors, TensorSource, WeightsError, digest_tensors};
use crate::unet::UNet2DConditionModel;
use crate::vae::{AUTOENCODER_NAMES, AutoencoderKL};

/// One value for each component that has weights.
pub(super) struct PerComponent<T> {
    pub(super) unet: T,
    pub(super) vae: T,
    pub(super) text_encoder: T,
    pub(super) second_text_encoder: Option<T>,
}

impl<T> PerComponent<T> {
    fn map<'t, U>(&'t self, make: impl Fn(&'t T) -> U) -> PerComponent<U> {
        PerComponent {
            unet: make(&self.unet),
            vae: make(&self.vae),
            text_encoder: make(&self.text_encoder),
            second_text_encoder: self.second_text_encoder.as_ref().map(make),
        }
    }

    fn try_into<U>(self, make: impl Fn(T) -> Result<U, WeightsError>) -> Result<PerComponent<U>, ModelError> {
        let named =
            |component, value| make(value).map_err(|source| ModelError::Weights { component, source });
        Ok(PerComponent {
            unet: named("unet", self.unet)?,
            vae: named("vae", self.vae)?,
            text_encoder: named("text_encoder", self.text_encoder)?,
            second_text_encoder: self
                .second_text_encoder
                .map(|value| named("text_encoder_2", value))
                .transpose()?,
        })
    }
}

type Sources<'a> = PerComponent<&'a dyn TensorSource>;

impl ModelDirectory {
    fn sources(&self) -> Sources<'_> {
        PerComponent {
            unet: &self.unet,
            vae: &self.vae,
            text_encoder: &self.text.weights,
            second_text_encoder: self
                .second
                .as_ref()
                .map(|text| &text.weights as &dyn TensorSource),
        }
    }

    /// What identifies the model; all weights are read for it.
    ///
    /// # Errors
    /// When weights cannot be read.
    pub fn digests(&self) -> Result<ModelDigests, ModelError> {
        let tensors = self.sources().try_into(digest_tensors)?;
        ModelDigests::of(self, &tensors)
    }

    /// Loads every component onto a device, with parameters of the given element type.
    ///
    /// As in diffusers, the autoencoder of Stable Diffusion XL is f32 where the others are f16 if its
    /// `force_upcast` says that f16 overflows in it.
    ///
    /// # Errors
    /// When a tensor is missing, unused, misshapen or not finite.
    pub fn load(&self, device: &Device, dtype: FloatDType) -> Result<DiffusionModel, ModelError> {
        self.load_from(&self.sources(), device, dtype)
    }

    /// Loads every component, and tells what identifies the model as it was loaded, whatever happens to its files
    /// meanwhile.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_digested(
        &self,
        device: &Device,
        dtype: FloatDType,
    ) -> Result<(DiffusionModel, ModelDigests), ModelError> {
        let digested = self.sources().map(|source| DigestedTensors::new(*source));
        let model = self.load_from(
            &digested.map(|digested| digested as &dyn TensorSource),
            device,
            dtype,
        )?;
        let tensors = digested.try_into(DigestedTensors::finish)?;
        Ok((model, ModelDigests::of(self, &tensors)?))
    }

    /// Hands out the denoiser's tensors, each to be read once, and tells what identifies the model as it was read.
    ///
    /// # Errors
    /// When weights cannot be read.
    pub fn read_denoiser<T>(
        &self,
        read: impl FnOnce(&dyn TensorSource) -> T,
    ) -> Result<(T, ModelDigests), ModelError> {
        let digested = self.sources().map(|source| DigestedTensors::new(*source));
        let value = read(&digested.unet);
        let tensors = digested.try_into(DigestedTensors::finish)?;
        Ok((value, ModelDigests::of(self, &tensors)?))
    }

    fn load_from(
        &self,
        sources: &Sources<'_>,
        device: &Device,
        dtype: FloatDType,
    ) -> Result<DiffusionModel, ModelError> {
        Ok(DiffusionModel {
            network: self.network_from(sources.unet, device, dtype)?,
            vae: self.vae_from(sources.vae, device, self.vae_dtype(dtype))?,
            text_encoder: self.text.load(sources.text_encoder, device, dtype)?,
            second_text_encoder: self.second_from(sources.second_text_encoder, device, dtype)?,
            tokenizer: self.text.tokenizer.clone(),
            vae_config: self.vae_config.clone(),
            text_config: self.text.config.clone(),
            scheduler_config: self.scheduler_config.clone(),
        })
    }

    fn vae_dtype(&self, dtype: FloatDType) -> FloatDType {
        let overflows = self.second.is_some() && self.vae_config.force_upcast;
        match (dtype, overflows) {
            (FloatDType::F16, true) => FloatDType::F32,
            _ => dtype,
        }
    }

    /// Loads the denoiser alone.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_network(&self, device: &Device, dtype: FloatDType) -> Result<DenoisingNetwork, ModelError> {
        self.network_from(&self.unet, device, dtype)
    }

    fn network_from(
        &self,
        weights: &dyn TensorSource,
        device: &Device,
        dtype: FloatDType,
    ) -> Result<DenoisingNetwork, ModelError> {
        let network = self.unet_from(weights, device, dtype)?;
        Ok(DenoisingNetwork::of_unet(network, self.unet_config.clone()))
    }

    /// Loads the denoiser alone, for who knows that it is a U-Net.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_unet(&self, device: &Device, dtype: FloatDType) -> Result<UNet2DConditionModel, ModelError> {
        self.unet_from(&self.unet, device, dtype)
    }

    fn unet_from(
        &self,
        weights: &dyn TensorSource,
        device: &Device,
        dtype: FloatDType,
    ) -> Result<UNet2DConditionModel, ModelError> {
        let module = UNet2DConditionModel::new(&self.unet_config, device);
        fill("unet", module, weights, &UNET_NAMES, dtype)
    }

    /// Loads the autoencoder alone.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_vae(&self, device: &Device, dtype: FloatDType) -> Result<AutoencoderKL, ModelError> {
        self.vae_from(&self.vae, device, dtype)
    }

    fn vae_from(
        &self,
        weights: &dyn TensorSource,
        device: &Device,
        dtype: FloatDType,
    ) -> Result<AutoencoderKL, ModelError> {
        let path = || self.path().join("vae/config.json");
        let module = AutoencoderKL::new(&self.vae_config, device)
            .map_err(|source| ModelError::Autoencoder { path: path(), source })?;
        fill("vae", module, weights, &AUTOENCODER_NAMES, dtype)
    }

    /// Loads the text encoder alone.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_text_encoder(&self, device: &Device, dtype: FloatDType) -> Result<ClipTextModel, ModelError> {
        self.text.load(&self.text.weights, device, dtype)
    }
    /// Loads the second text encoder alone, if the model has one.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_second_text_encoder(
        &self,
        device: &Device,
        dtype: FloatDType,
    ) -> Result<Option<SecondTextEncoder>, ModelError> {
        self.second_from(self.sources().second_text_encoder, device, dtype)
    }

    fn second_from(
        &self,
        weights: Option<&dyn TensorSource>,
        device: &Device,
        dtype: FloatDType,
    ) -> Result<Option<SecondTextEncoder>, ModelError> {
        let (Some(second), Some(weights)) = (&self.second, weights) else {
            return Ok(None);
        };
        Ok(Some(SecondTextEncoder {
            text_encoder: second.load(weights, device, dtype)?,
            tokenizer: second.tokenizer.clone(),
            text_config: second.config.clone(),
            force_zeros_for_empty_prompt: self.force_zeros_for_empty_prompt,
        }))
    }
}
