//! A model folder, opened and checked but not loaded.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use burn::module::Module;
use burn::tensor::{Device, FloatDType};

use super::index::{self, read_json};
use super::{DiffusionModel, ModelDigests, ModelError};
use crate::clip::{ClipTextConfig, ClipTextModel, TEXT_MODEL_NAMES};
use crate::scheduler::SchedulerConfig;
use crate::tokenizer::Tokenizer;
use crate::unet::{PARAMETER_RENAMES, UNet2DConditionConfig, UNet2DConditionModel};
use crate::vae::{AUTOENCODER_NAMES, AutoencoderConfig, AutoencoderKL};
use crate::weights::{NameTable, WeightsFolder, load_module};

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
    pub(super) text_encoder: WeightsFolder,
    pub(super) unet_config: UNet2DConditionConfig,
    pub(super) vae_config: AutoencoderConfig,
    pub(super) text_config: ClipTextConfig,
    pub(super) scheduler_config: SchedulerConfig,
    pub(super) tokenizer: Tokenizer,
    digests: OnceLock<ModelDigests>,
}

impl ModelDirectory {
    /// Opens and checks a model folder.
    ///
    /// # Errors
    /// When the folder is not a model, a file is missing or malformed, a class or setting is not
    /// supported, or components do not fit each other.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        index::check(path)?;
        let weights = |component: &'static str, stem: &str| {
            WeightsFolder::open(&path.join(component), stem)
                .map_err(|source| ModelError::Weights { component, source })
        };
        let vae_path = path.join("vae/config.json");
        let vae_config: AutoencoderConfig = read_json(&vae_path)?;
        vae_config.validate().map_err(|source| ModelError::Autoencoder {
            path: vae_path,
            source,
        })?;
        let text_path = path.join("text_encoder/config.json");
        let text_config: ClipTextConfig = read_json(&text_path)?;
        text_config.validate().map_err(|source| ModelError::TextModel {
            path: text_path,
            source,
        })?;
        let mut tokenizer = Tokenizer::from_directory(&path.join("tokenizer"))
            .map_err(|source| ModelError::Tokenizer { source })?;
        if tokenizer.context_length().is_none() {
            tokenizer = tokenizer
                .with_context_length(text_config.max_position_embeddings)
                .map_err(|source| ModelError::Tokenizer { source })?;
        }
        let model = Self {
            path: path.to_owned(),
            unet: weights("unet", "diffusion_pytorch_model")?,
            vae: weights("vae", "diffusion_pytorch_model")?,
            text_encoder: weights("text_encoder", "model")?,
            unet_config: read_json(&path.join("unet/config.json"))?,
            vae_config,
            text_config,
            scheduler_config: read_json(&path.join("scheduler/scheduler_config.json"))?,
            tokenizer,
            digests: OnceLock::new(),
        };
        model.check_fit()?;
        Ok(model)
    }

    /// The folder.
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
        &self.text_config
    }

    /// The noise schedule that the denoiser was trained with.
    pub fn scheduler_config(&self) -> &SchedulerConfig {
        &self.scheduler_config
    }

    /// Prompts to token ids.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
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
    /// # Errors
    /// When a tensor is missing, unused, misshapen or not finite.
    pub fn load(&self, device: &Device, dtype: FloatDType) -> Result<DiffusionModel, ModelError> {
        Ok(DiffusionModel {
            unet: self.load_unet(device, dtype)?,
            vae: self.load_vae(device, dtype)?,
            text_encoder: self.load_text_encoder(device, dtype)?,
            tokenizer: self.tokenizer.clone(),
            unet_config: self.unet_config.clone(),
            vae_config: self.vae_config.clone(),
            text_config: self.text_config.clone(),
            scheduler_config: self.scheduler_config.clone(),
        })
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
        let path = || self.path.join("text_encoder/config.json");
        let module = ClipTextModel::new(&self.text_config, device)
            .map_err(|source| ModelError::TextModel { path: path(), source })?;
        fill(
            "text_encoder",
            module,
            &self.text_encoder,
            &TEXT_MODEL_NAMES,
            dtype,
        )
    }

    fn check_fit(&self) -> Result<(), ModelError> {
        let disagreement = |left, left_value, right, right_value| {
            Err(ModelError::Disagreement {
                path: self.path.clone(),
                left,
                left_value,
                right,
                right_value,
            })
        };
        let latent = self.vae_config.latent_channels;
        let (input, output) = (self.unet_config.in_channels, self.unet_config.out_channels);
        if input != latent {
            return disagreement(
                "`latent_channels` of `vae`",
                latent,
                "`in_channels` of `unet`",
                input,
            );
        }
        if output != latent {
            return disagreement(
                "`latent_channels` of `vae`",
                latent,
                "`out_channels` of `unet`",
                output,
            );
        }
        let width = self.text_config.hidden_size;
        if let Some(cross) = self
            .unet_config
            .cross_attention_dim
            .iter()
            .find(|cross| **cross != width)
        {
            let left = "`hidden_size` of `text_encoder`";
            return disagreement(left, width, "`cross_attention_dim` of `unet`", *cross);
        }
        let (positions, tokens) = (
            self.text_config.max_position_embeddings,
            self.tokenizer.context_length().unwrap_or(0),
        );
        if tokens > positions {
            let left = "`max_position_embeddings` of `text_encoder`";
            return disagreement(left, positions, "`model_max_length` of `tokenizer`", tokens);
        }
        let (embedded, known) = (self.text_config.vocab_size, self.tokenizer.vocabulary_size());
        if known > embedded {
            let left = "`vocab_size` of `text_encoder`";
            return disagreement(left, embedded, "the vocabulary of `tokenizer`", known);
        }
        Ok(())
    }
}

fn fill<M: Module>(
    component: &'static str,
    module: M,
    weights: &WeightsFolder,
    names: &NameTable<'_>,
    dtype: FloatDType,
) -> Result<M, ModelError> {
    load_module(module, weights, names, dtype).map_err(|source| ModelError::Weights { component, source })
}
