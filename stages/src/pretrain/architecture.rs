//! The networks that the settings of a denoiser's training describe.

use std::path::Path;

use mitune_diffusion::clip::ClipTextConfig;
use mitune_diffusion::tokenizer::{Tokenizer, VocabularyBuilder};
use mitune_diffusion::unet::UNet2DConditionConfig;
use mitune_diffusion::vae::AutoencoderConfig;
use serde_json::json;

use super::denoiser::PretrainDenoiserConfig;
use crate::contract::StageError;
use crate::shapes::caption::words;

/// Writes the tokenizer of the shapes world to a folder and reads it.
pub(super) fn shapes_tokenizer(folder: &Path, context_length: usize) -> Result<Tokenizer, StageError> {
    std::fs::create_dir_all(folder).map_err(StageError::failed)?;
    let vocabulary = VocabularyBuilder::new(words()).map_err(StageError::failed)?;
    vocabulary
        .write(folder, context_length)
        .map_err(StageError::failed)?;
    Tokenizer::from_directory(folder).map_err(StageError::failed)
}

impl PretrainDenoiserConfig {
    /// The settings of the denoiser, for latents of this autoencoder.
    pub(super) fn unet_config(&self, vae: &AutoencoderConfig) -> Result<UNet2DConditionConfig, StageError> {
        let levels = self.channels.len();
        let json = json!({
            "sample_size": crate::shapes::render::SIDE / vae.downscale(),
            "in_channels": vae.latent_channels,
            "out_channels": vae.latent_channels,
            "down_block_types": vec!["CrossAttnDownBlock2D"; levels],
            "up_block_types": vec!["CrossAttnUpBlock2D"; levels],
            "block_out_channels": self.channels,
            "layers_per_block": self.layers_per_block,
            "cross_attention_dim": self.text_width,
            "attention_head_dim": self.heads,
            "norm_num_groups": self.norm_groups,
            "use_linear_projection": true,
        });
        serde_json::from_value(json).map_err(StageError::configuration)
    }

    /// The settings of the text encoder, for this vocabulary.
    pub(super) fn text_config(&self, tokenizer: &Tokenizer) -> ClipTextConfig {
        let size = tokenizer.vocabulary_size();
        let end = Some(size as i64 - 1);
        ClipTextConfig {
            vocab_size: size,
            hidden_size: self.text_width,
            intermediate_size: 4 * self.text_width,
            projection_dim: self.text_width,
            num_hidden_layers: self.text_layers,
            num_attention_heads: self.heads,
            max_position_embeddings: self.context_length,
            bos_token_id: Some(size as i64 - 2),
            eos_token_id: end,
            pad_token_id: end,
            ..ClipTextConfig::default()
        }
    }
}
