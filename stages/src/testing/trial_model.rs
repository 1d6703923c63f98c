//! A whole model of a few thousand random weights in a folder, for tests.

use std::path::Path;

use burn::tensor::Device;
use mitune_diffusion::clip::{ClipTextConfig, ClipTextModel};
use mitune_diffusion::model::{DenoisingNetwork, DiffusionModel};
use mitune_diffusion::scheduler::SchedulerConfig;
use mitune_diffusion::tokenizer::{Tokenizer, VocabularyBuilder};
use mitune_diffusion::unet::{UNet2DConditionConfig, UNet2DConditionModel};
use mitune_diffusion::vae::{AutoencoderConfig, AutoencoderKL};

/// Tokens of a prompt, which "a red circle and a blue square" just fits.
const TOKENS: usize = 9;

/// Writes a model whose images have 32 x 32 pixels and whose latents 4 x 8 x 8 numbers.
pub(crate) fn write(folder: &Path) {
    let device = Device::flex();
    let words = [
        "a", "and", "red", "green", "blue", "circle", "square", "cross", "triangle",
    ];
    let vocabulary = VocabularyBuilder::new(words).unwrap();
    let source = tempfile::tempdir().unwrap();
    vocabulary.write(source.path(), TOKENS).unwrap();
    let tokenizer = Tokenizer::from_directory(source.path()).unwrap();
    let end = i64::from(vocabulary.vocabulary()["<|endoftext|>"]);
    let text_config = ClipTextConfig {
        vocab_size: tokenizer.vocabulary_size(),
        hidden_size: 8,
        intermediate_size: 16,
        num_hidden_layers: 1,
        num_attention_heads: 2,
        max_position_embeddings: TOKENS,
        bos_token_id: Some(end - 1),
        eos_token_id: Some(end),
        pad_token_id: Some(end),
        ..Default::default()
    };
    let unet = serde_json::json!({
        "sample_size": 8, "block_out_channels": [8, 8], "layers_per_block": 1, "cross_attention_dim": 8,
        "attention_head_dim": 2, "norm_num_groups": 4,
        "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
        "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
    });
    let unet_config: UNet2DConditionConfig = serde_json::from_value(unet).unwrap();
    let vae_config = AutoencoderConfig {
        norm_num_groups: 4,
        ..AutoencoderConfig::new(vec![8, 8, 8])
    };
    let model = DiffusionModel {
        network: DenoisingNetwork::of_unet(UNet2DConditionModel::new(&unet_config, &device), unet_config),
        vae: AutoencoderKL::new(&vae_config, &device).unwrap(),
        text_encoder: ClipTextModel::new(&text_config, &device).unwrap(),
        second_text_encoder: None,
        tokenizer,
        vae_config,
        text_config,
        scheduler_config: SchedulerConfig::stable_diffusion(),
    };
    model.write(folder, None).unwrap();
}
