//! A model folder, opened and checked but not loaded.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use burn::tensor::{Device, FloatDType};

use super::component::{fill, open_weights};
use super::index::{Index, read_component, read_config};
use super::place::locate;
use super::text::{self, TextComponent};
use super::{DiffusionModel, ModelDigests, ModelError, SecondTextEncoder};
use crate::clip::{ClipTextConfig, ClipTextModel};
use crate::scheduler::SchedulerConfig;
use crate::tokenizer::Tokenizer;
use crate::unet::{PARAMETER_RENAMES, UNet2DConditionConfig, UNet2DConditionModel};
use crate::vae::{AUTOENCODER_NAMES, AutoencoderConfig, AutoencoderKL};
use crate::weights::{NameTable, TensorSource, WeightsFolder};

/// How a denoiser's parameters are named in files.
pub(super) const UNET_NAMES: NameTable<'static> = NameTable {
    rename: PARAMETER_RENAMES,
    former: &[],
    ignored: &[],
};

/// A text-to-image model in diffusers' folder layout.
///
/// Opening reads configurations and the headers of weight files, so that most of what can be wrong
/// is found before any work is done.
#[derive(Debug)]
pub struct ModelDirectory {
    path: PathBuf,
    pub(super) unet: WeightsFolder,
    pub(super) vae: WeightsFolder,
    pub(super) text: TextComponent,
    /// The second text encoder of Stable Diffusion XL.
    pub(super) second: Option<TextComponent>,
    pub(super) force_zeros_for_empty_prompt: bool,
    pub(super) unet_config: UNet2DConditionConfig,
    pub(super) vae_config: AutoencoderConfig,
    pub(super) scheduler_config: SchedulerConfig,
    digests: OnceLock<ModelDigests>,
}

impl ModelDirectory {
    /// Opens and checks a model folder, or the one snapshot in the folder of a model in a hub's cache.
    ///
    /// # Errors
    /// When the folder is not a model, a file is missing or malformed, a class or setting is not
    /// supported, or components do not fit each other.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        Self::open_variant(path, None)
    }

    /// The folder with the model that a name stands for: itself, or the one snapshot in a hub's cache.
    ///
    /// # Errors
    /// When there is no model, with what is there instead.
    pub fn locate(path: &Path) -> Result<PathBuf, ModelError> {
        Ok(locate(path)?)
    }

    /// Opens a model folder and takes a variant of its weights, such as `fp16`, where a component
    /// has it.
    ///
    /// Without one, the plain weights are taken, or `fp16` where there are no others.
    ///
    /// # Errors
    /// As [`Self::open`], and when no component has the variant.
    pub fn open_variant(path: &Path, variant: Option<&str>) -> Result<Self, ModelError> {
        let path = &*Self::locate(path)?;
        let index = Index::read(path)?;
        let vae_path = path.join("vae/config.json");
        let vae_config: AutoencoderConfig = read_component(path, "vae", &["AutoencoderKL"])?;
        vae_config.validate().map_err(|source| ModelError::Autoencoder {
            path: vae_path,
            source,
        })?;
        let stem = "diffusion_pytorch_model";
        let second = index.has_second_text_encoder();
        let model = Self {
            path: path.to_owned(),
            unet: open_weights(path, "unet", stem, variant)?,
            vae: open_weights(path, "vae", stem, variant)?,
            text: TextComponent::open(path, text::FIRST, variant)?,
            second: second
                .then(|| TextComponent::open(path, text::SECOND, variant))
                .transpose()?,
            force_zeros_for_empty_prompt: index.force_zeros_for_empty_prompt,
            unet_config: read_component(path, "unet", &["UNet2DConditionModel"])?,
            vae_config,
            scheduler_config: match (
                read_config::<SchedulerConfig>(&path.join("scheduler/scheduler_config.json"))?,
                second,
            ) {
                (config, true) => config,
                (config, false) => config.of_stable_diffusion(),
            },
            digests: OnceLock::new(),
        };
        if let Some(variant) = variant
            && model.weights().all(|weights| weights.variant() != Some(variant))
        {
            return Err(ModelError::NoVariant {
                path: path.to_owned(),
                variant: variant.to_owned(),
            });
        }
        model.check_fit()?;
        Ok(model)
    }

    /// Number of parameters of all components together, by their files.
    pub fn parameter_count(&self) -> u64 {
        let of = |weights: &WeightsFolder| -> u64 {
            let names = weights.names().into_iter();
            let shapes = names.filter_map(|name| weights.describe(&name));
            shapes
                .map(|(_, shape)| shape.iter().map(|extent| *extent as u64).product::<u64>())
                .sum()
        };
        self.weights().map(of).sum()
    }

    fn weights(&self) -> impl Iterator<Item = &WeightsFolder> {
        let texts = std::iter::once(&self.text).chain(&self.second);
        [&self.unet, &self.vae]
            .into_iter()
            .chain(texts.map(|text| &text.weights))
    }

    /// The folder that holds the model, which may be a snapshot inside the one that was named.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The denoiser's shape.
    pub fn unet_config(&self) -> &UNet2DConditionConfig {
        &self.unet_config
    }

    /// The autoencoder's shape.
    pub fn vae_config(&self) -> &AutoencoderConfig {
        &self.vae_config
    }

    /// The text encoder's shape.
    pub fn text_config(&self) -> &ClipTextConfig {
        &self.text.config
    }

    /// The second text encoder's shape, of Stable Diffusion XL.
    pub fn second_text_config(&self) -> Option<&ClipTextConfig> {
        self.second.as_ref().map(|second| &second.config)
    }

    /// The noise schedule that the denoiser was trained with.
    pub fn scheduler_config(&self) -> &SchedulerConfig {
        &self.scheduler_config
    }

    /// Prompts to token ids.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.text.tokenizer
    }

    /// What identifies the model; read once, then remembered as long as this value lives.
    ///
    /// # Errors
    /// When weights cannot be read.
    pub fn digests(&self) -> Result<ModelDigests, ModelError> {
        if let Some(digests) = self.digests.get() {
            return Ok(*digests);
        }
        let digests = ModelDigests::compute(self)?;
        Ok(*self.digests.get_or_init(|| digests))
    }

    /// Loads every component onto a device, with parameters of the given element type.
    ///
    /// As in diffusers, the autoencoder of Stable Diffusion XL is f32 where the others are f16 if its
    /// `force_upcast` says that f16 overflows in it.
    ///
    /// # Errors
    /// When a tensor is missing, unused, misshapen or not finite.
    pub fn load(&self, device: &Device, dtype: FloatDType) -> Result<DiffusionModel, ModelError> {
        Ok(DiffusionModel {
            unet: self.load_unet(device, dtype)?,
            vae: self.load_vae(device, self.vae_dtype(dtype))?,
            text_encoder: self.load_text_encoder(device, dtype)?,
            second_text_encoder: self.load_second_text_encoder(device, dtype)?,
            tokenizer: self.text.tokenizer.clone(),
            unet_config: self.unet_config.clone(),
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
    pub fn load_unet(&self, device: &Device, dtype: FloatDType) -> Result<UNet2DConditionModel, ModelError> {
        let module = UNet2DConditionModel::new(&self.unet_config, device);
        fill("unet", module, &self.unet, &UNET_NAMES, dtype)
    }

    /// Loads the autoencoder alone.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_vae(&self, device: &Device, dtype: FloatDType) -> Result<AutoencoderKL, ModelError> {
        let path = || self.path.join("vae/config.json");
        let module = AutoencoderKL::new(&self.vae_config, device)
            .map_err(|source| ModelError::Autoencoder { path: path(), source })?;
        fill("vae", module, &self.vae, &AUTOENCODER_NAMES, dtype)
    }

    /// Loads the text encoder alone.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_text_encoder(&self, device: &Device, dtype: FloatDType) -> Result<ClipTextModel, ModelError> {
        self.text.load(device, dtype)
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
        let Some(second) = &self.second else {
            return Ok(None);
        };
        Ok(Some(SecondTextEncoder {
            text_encoder: second.load(device, dtype)?,
            tokenizer: second.tokenizer.clone(),
            text_config: second.config.clone(),
            force_zeros_for_empty_prompt: self.force_zeros_for_empty_prompt,
        }))
    }
}
