//! A model folder, opened and checked but not loaded.

use std::path::{Path, PathBuf};

use super::ModelError;
use super::component::open_weights;
use super::index::{Index, read_component};
use super::place::locate;
use super::text::{self, TextComponent};
use crate::clip::ClipTextConfig;
use crate::denoiser::DenoiserShape;
use crate::nn::weights::{NameTable, SafetensorsFile, TensorSource, WeightsFolder};
use crate::scheduler::SchedulerConfig;
use crate::tokenizer::Tokenizer;
use crate::unet::{PARAMETER_RENAMES, UNet2DConditionConfig};
use crate::vae::AutoencoderConfig;

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
        let model = Self {
            path: path.to_owned(),
            unet: open_weights(path, "unet", stem, variant)?,
            vae: open_weights(path, "vae", stem, variant)?,
            text: TextComponent::open(path, text::FIRST, variant)?,
            second: index
                .has_second_text_encoder()
                .then(|| TextComponent::open(path, text::SECOND, variant))
                .transpose()?,
            force_zeros_for_empty_prompt: index.force_zeros_for_empty_prompt,
            unet_config: read_component(path, "unet", &["UNet2DConditionModel"])?,
            vae_config,
            scheduler_config: index.scheduler_config(path)?,
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

    /// Every file of weights, open since the folder was opened.
    pub fn weight_files(&self) -> impl Iterator<Item = &SafetensorsFile> {
        self.weights().flat_map(WeightsFolder::files)
    }

    /// The folder that holds the model, which may be a snapshot inside the one that was named.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What can be known of the denoiser without knowing the network.
    pub fn denoiser_shape(&self) -> DenoiserShape {
        self.unet_config.denoiser_shape()
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

    /// The noise schedule that the denoiser was trained with.
    pub fn scheduler_config(&self) -> &SchedulerConfig {
        &self.scheduler_config
    }

    /// Prompts to token ids.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.text.tokenizer
    }
}
