//! The settings that the models were published with.

use serde_json::{Value, json};

use super::Architecture;

/// The configuration files of a model, but for what every one of them says.
pub(super) struct Published {
    pub(super) unet: Value,
    pub(super) vae: Value,
    pub(super) texts: Vec<PublishedText>,
    pub(super) scheduler: Value,
}

/// A text encoder's configuration and what its tokenizer fills prompts up with.
pub(super) struct PublishedText {
    pub(super) config: Value,
    pub(super) padding: &'static str,
}

const END: &str = "<|endoftext|>";

pub(super) fn of(architecture: Architecture) -> Published {
    let mut published = match architecture {
        Architecture::Sd15 | Architecture::TinySd15 => version_1(),
        Architecture::Sd21Base => version_2(),
        Architecture::Sd21 | Architecture::TinySd21 => velocity(version_2()),
        Architecture::Sdxl | Architecture::TinySdxl => version_xl(),
    };
    let tiny = [
        Architecture::TinySd15,
        Architecture::TinySd21,
        Architecture::TinySdxl,
    ];
    if tiny.contains(&architecture) {
        shrink(&mut published);
    }
    published
}

fn version_1() -> Published {
    Published {
        unet: unet(json!({
            "attention_head_dim": 8, "cross_attention_dim": 768, "sample_size": 64,
        })),
        vae: vae(json!({ "sample_size": 512, "scaling_factor": 0.18215 })),
        texts: vec![clip_l()],
        scheduler: noise_schedule(
            "PNDMScheduler",
            json!({ "set_alpha_to_one": false, "skip_prk_steps": true }),
        ),
    }
}

fn version_2() -> Published {
    let config = text(json!({
        "hidden_act": "gelu", "hidden_size": 1024, "intermediate_size": 4096, "num_attention_heads": 16,
        "num_hidden_layers": 23, "projection_dim": 512,
    }));
    Published {
        unet: unet(json!({
            "attention_head_dim": [5, 10, 20, 20], "cross_attention_dim": 1024, "sample_size": 64,
            "use_linear_projection": true,
        })),
        vae: vae(json!({ "sample_size": 768, "scaling_factor": 0.18215 })),
        texts: vec![PublishedText { config, padding: "!" }],
        scheduler: noise_schedule(
            "PNDMScheduler",
            json!({ "set_alpha_to_one": false, "skip_prk_steps": true }),
        ),
    }
}

/// From 2.1-base to 2.1.
fn velocity(mut base: Published) -> Published {
    base.unet["sample_size"] = json!(96);
    base.unet["upcast_attention"] = json!(true);
    base.scheduler = noise_schedule(
        "DDIMScheduler",
        json!({ "set_alpha_to_one": false, "clip_sample": false, "prediction_type": "v_prediction" }),
    );
    base
}

fn version_xl() -> Published {
    let second = text(json!({
        "architectures": ["CLIPTextModelWithProjection"], "hidden_act": "gelu", "hidden_size": 1280,
        "intermediate_size": 5120, "num_attention_heads": 20, "num_hidden_layers": 32, "projection_dim": 1280,
    }));
    Published {
        unet: unet(json!({
            "addition_embed_type": "text_time", "addition_time_embed_dim": 256,
            "projection_class_embeddings_input_dim": 2816,
            "attention_head_dim": [5, 10, 20], "block_out_channels": [320, 640, 1280], "cross_attention_dim": 2048,
            "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
            "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
            "sample_size": 128, "transformer_layers_per_block": [1, 2, 10], "use_linear_projection": true,
        })),
        vae: vae(json!({ "sample_size": 1024, "scaling_factor": 0.13025, "force_upcast": true })),
        texts: vec![
            clip_l(),
            PublishedText {
                config: second,
                padding: "!",
            },
        ],
        scheduler: noise_schedule(
            "EulerDiscreteScheduler",
            json!({ "interpolation_type": "linear", "timestep_spacing": "leading", "use_karras_sigmas": false }),
        ),
    }
}

/// The text encoder of OpenAI's CLIP ViT-L/14.
fn clip_l() -> PublishedText {
    PublishedText {
        config: text(json!({
            "hidden_act": "quick_gelu", "hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12,
            "num_hidden_layers": 12, "projection_dim": 768,
        })),
        padding: END,
    }
}

fn unet(settings: Value) -> Value {
    let common = json!({
        "_class_name": "UNet2DConditionModel", "act_fn": "silu", "block_out_channels": [320, 640, 1280, 1280],
        "center_input_sample": false,
        "down_block_types":
            ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
        "downsample_padding": 1, "flip_sin_to_cos": true, "freq_shift": 0, "in_channels": 4, "layers_per_block": 2,
        "mid_block_scale_factor": 1, "norm_eps": 1e-5, "norm_num_groups": 32, "out_channels": 4,
        "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
    });
    with(common, settings)
}

fn vae(settings: Value) -> Value {
    let common = json!({
        "_class_name": "AutoencoderKL", "act_fn": "silu", "block_out_channels": [128, 256, 512, 512],
        "down_block_types": vec!["DownEncoderBlock2D"; 4], "in_channels": 3, "latent_channels": 4,
        "layers_per_block": 2, "norm_num_groups": 32, "out_channels": 3,
        "up_block_types": vec!["UpDecoderBlock2D"; 4],
    });
    with(common, settings)
}

fn text(settings: Value) -> Value {
    let common = json!({
        "architectures": ["CLIPTextModel"], "model_type": "clip_text_model", "vocab_size": 49408,
        "max_position_embeddings": 77, "layer_norm_eps": 1e-5, "bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 1,
    });
    with(common, settings)
}

fn noise_schedule(class: &str, settings: Value) -> Value {
    let common = json!({
        "_class_name": class, "beta_end": 0.012, "beta_schedule": "scaled_linear", "beta_start": 0.00085,
        "num_train_timesteps": 1000, "prediction_type": "epsilon", "steps_offset": 1, "trained_betas": null,
    });
    with(common, settings)
}

/// Makes every part small, and keeps what is peculiar to the architecture.
fn shrink(published: &mut Published) {
    let levels = published.unet["block_out_channels"]
        .as_array()
        .map_or(0, Vec::len);
    let (vae_width, texts) = (8, &mut published.texts);
    let mut context = 0;
    for (index, text) in texts.iter_mut().enumerate() {
        let width = 16 + 8 * index;
        context += width;
        let small = json!({
            "vocab_size": super::tokenizer::TINY_VOCABULARY, "hidden_size": width, "intermediate_size": 2 * width,
            "num_hidden_layers": 2 + index, "num_attention_heads": 2, "projection_dim": 12,
        });
        text.config = with(text.config.take(), small);
    }
    let heads = match published.unet["attention_head_dim"].is_array() {
        true => json!((1..=levels).map(|level| level.min(2)).collect::<Vec<_>>()),
        false => json!(2),
    };
    let channels: Vec<usize> = (0..levels).map(|level| 8 * (level + 1).min(2)).collect();
    let small = json!({
        "attention_head_dim": heads, "block_out_channels": channels, "cross_attention_dim": context,
        "layers_per_block": 1, "norm_num_groups": 4, "sample_size": 8,
    });
    published.unet = with(published.unet.take(), small);
    if published.unet["addition_embed_type"].is_string() {
        let addition = json!({
            "addition_time_embed_dim": 4, "projection_class_embeddings_input_dim": 12 + 6 * 4,
            "transformer_layers_per_block": [1, 1, 2],
        });
        published.unet = with(published.unet.take(), addition);
    }
    let small = json!({
        "block_out_channels": [vae_width, vae_width],
        "down_block_types": vec!["DownEncoderBlock2D"; 2], "layers_per_block": 1, "norm_num_groups": 4,
        "sample_size": 16, "up_block_types": vec!["UpDecoderBlock2D"; 2],
    });
    published.vae = with(published.vae.take(), small);
}

fn with(mut common: Value, settings: Value) -> Value {
    if let (Value::Object(common), Value::Object(settings)) = (&mut common, settings) {
        common.extend(settings);
    }
    common
}
