//! Sizes as published.

use mitune_diffusion::clip::{ClipTextConfig, HiddenActivation};

use super::JudgeArchitecture;
use crate::blip::{BlipTextConfig, BlipVisionConfig, BlipVqaConfig};
use crate::clip::{ClipConfig, ClipVisionConfig};
use crate::dino::DinoConfig;

/// Widths before, between and after the layers of ImageReward's head.
pub(super) const REWARD_WIDTHS: [usize; 6] = [768, 1024, 128, 64, 16, 1];

/// Tokens of BLIP's vocabulary with `[DEC]` and `[ENC]`.
pub(super) const BLIP_TOKENS: usize = 30_524;

/// The vision models of CLIP; nothing for architectures that are none.
pub(super) fn clip(architecture: JudgeArchitecture) -> Option<ClipConfig> {
    use HiddenActivation::{Gelu, QuickGelu};
    let ([width, inner, layers, heads], patch_size, hidden_act, projection) = match architecture {
        JudgeArchitecture::ClipB32 => ([768, 3072, 12, 12], 32, QuickGelu, 512),
        JudgeArchitecture::ClipL14 | JudgeArchitecture::ClipL14At336 => {
            ([1024, 4096, 24, 16], 14, QuickGelu, 768)
        }
        JudgeArchitecture::ClipH14 => ([1280, 5120, 32, 16], 14, Gelu, 1024),
        JudgeArchitecture::ClipBigG14 => ([1664, 8192, 48, 16], 14, Gelu, 1280),
        _ => return None,
    };
    let vision = ClipVisionConfig {
        hidden_size: width,
        intermediate_size: inner,
        num_hidden_layers: layers,
        num_attention_heads: heads,
        image_size: architecture.side(),
        patch_size,
        hidden_act,
        ..ClipVisionConfig::default()
    };
    Some(ClipConfig::new(ClipTextConfig::default(), vision, projection))
}

/// The BLIP that answers T2I-CompBench's questions.
pub(super) fn blip_vqa_base(image_size: usize) -> BlipVqaConfig {
    BlipVqaConfig {
        vision_config: BlipVisionConfig {
            hidden_size: 768,
            intermediate_size: 3072,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            image_size,
            patch_size: 16,
            layer_norm_eps: 1e-5,
        },
        text_config: blip_text(768),
    }
}

/// What sees the image in ImageReward.
pub(super) fn blip_large(image_size: usize) -> BlipVisionConfig {
    BlipVisionConfig {
        hidden_size: 1024,
        intermediate_size: 4096,
        num_hidden_layers: 24,
        num_attention_heads: 16,
        image_size,
        patch_size: 16,
        layer_norm_eps: 1e-6,
    }
}

/// The BERT of every BLIP, beside images of this width.
pub(super) fn blip_text(encoder_hidden_size: usize) -> BlipTextConfig {
    BlipTextConfig {
        vocab_size: BLIP_TOKENS,
        hidden_size: 768,
        encoder_hidden_size,
        intermediate_size: 3072,
        num_hidden_layers: 12,
        num_attention_heads: 12,
        max_position_embeddings: 512,
        layer_norm_eps: 1e-12,
        bos_token_id: BLIP_TOKENS - 2,
    }
}

/// DINOv2 ViT-L/14, trained at 518 pixels.
pub(super) fn dinov2_large() -> DinoConfig {
    DinoConfig {
        hidden_size: 1024,
        num_hidden_layers: 24,
        num_attention_heads: 16,
        image_size: 518,
        ..DinoConfig::default()
    }
}
