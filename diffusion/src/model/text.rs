//! A text encoder and its tokenizer in a model folder.

use std::path::{Path, PathBuf};

use burn::tensor::{Device, FloatDType};

use super::ModelError;
use super::component::{fill, open_weights};
use super::index::read_config;
use crate::clip::{ClipTextConfig, ClipTextModel, TEXT_MODEL_NAMES};
use crate::nn::weights::{TensorSource, WeightsFolder};
use crate::tokenizer::Tokenizer;

/// Names of the two folders of a text encoder.
#[derive(Debug, Clone, Copy)]
pub(super) struct TextFolders {
    pub(super) encoder: &'static str,
    pub(super) tokenizer: &'static str,
}

/// The one text encoder of Stable Diffusion 1 and 2, and the first of XL.
pub(super) const FIRST: TextFolders = TextFolders {
    encoder: "text_encoder",
    tokenizer: "tokenizer",
};

/// The second text encoder of Stable Diffusion XL.
pub(super) const SECOND: TextFolders = TextFolders {
    encoder: "text_encoder_2",
    tokenizer: "tokenizer_2",
};

/// A text encoder, opened and checked but not loaded.
#[derive(Debug)]
pub(super) struct TextComponent {
    pub(super) folders: TextFolders,
    pub(super) weights: WeightsFolder,
    pub(super) config: ClipTextConfig,
    pub(super) tokenizer: Tokenizer,
    path: PathBuf,
}

impl TextComponent {
    pub(super) fn open(
        model: &Path,
        folders: TextFolders,
        variant: Option<&str>,
    ) -> Result<Self, ModelError> {
        let path = model.join(folders.encoder).join("config.json");
        let config: ClipTextConfig = read_config(&path)?;
        config.validate().map_err(|source| ModelError::TextModel {
            path: path.clone(),
            source,
        })?;
        let tokenizer_error = |source| ModelError::Tokenizer { source };
        let mut tokenizer =
            Tokenizer::from_directory(&model.join(folders.tokenizer)).map_err(tokenizer_error)?;
        if tokenizer.context_length().is_none() {
            tokenizer = tokenizer
                .with_context_length(config.max_position_embeddings)
                .map_err(tokenizer_error)?;
        }
        Ok(Self {
            folders,
            weights: open_weights(model, folders.encoder, "model", variant)?,
            config,
            tokenizer,
            path,
        })
    }

    /// Loads the network from its weights, which may be hashed on the way.
    pub(super) fn load(
        &self,
        weights: &dyn TensorSource,
        device: &Device,
        dtype: FloatDType,
    ) -> Result<ClipTextModel, ModelError> {
        let module = ClipTextModel::new(&self.config, device).map_err(|source| ModelError::TextModel {
            path: self.path.clone(),
            source,
        })?;
        fill(self.folders.encoder, module, weights, &TEXT_MODEL_NAMES, dtype)
    }
}
