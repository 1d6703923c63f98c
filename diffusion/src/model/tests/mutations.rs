//! Configurations with random faults: they are refused or they work, and never a panic.

use burn::tensor::Int;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::conditioning::{AddedConditioning, Conditioning};

/// Values that some field will not like.
fn value() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        Value::Null,
        json!(true),
        json!(false),
        json!(0),
        json!(1),
        json!(2),
        json!(3),
        json!(8),
        json!(-1),
        json!(1.5),
        json!(1e30),
        json!(u64::MAX),
        json!("silu"),
        json!("gelu"),
        json!("text_time"),
        json!("DownBlock2D"),
        json!([]),
        json!([4]),
        json!([2, 4]),
        json!([4, 8, 12]),
        json!([0, 4]),
        json!([true, false]),
        json!([[1, 2], 3]),
        json!(["DownBlock2D", "CrossAttnDownBlock2D"]),
        json!(["UpBlock2D", "CrossAttnUpBlock2D"]),
        json!({"a": 1}),
    ])
}

/// A configuration with up to three fields replaced, and up to one dropped.
fn mutated(base: Value) -> impl Strategy<Value = Map<String, Value>> {
    let fields: Map<String, Value> = serde_json::from_value(base).unwrap();
    let names: Vec<String> = fields.keys().cloned().collect();
    let change = (prop::sample::select(names.clone()), value());
    let dropped = prop::option::of(prop::sample::select(names));
    (prop::collection::vec(change, 0..4), dropped).prop_map(move |(changes, dropped)| {
        let mut fields = fields.clone();
        fields.extend(changes);
        if let Some(name) = dropped {
            fields.remove(&name);
        }
        fields
    })
}

fn unet() -> Value {
    json!({
        "sample_size": 8, "in_channels": 4, "out_channels": 4, "block_out_channels": [4, 8],
        "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
        "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"], "mid_block_type": "UNetMidBlock2DCrossAttn",
        "layers_per_block": 1, "norm_num_groups": 2, "cross_attention_dim": 6, "attention_head_dim": 2,
        "norm_eps": 1e-5, "downsample_padding": 1, "flip_sin_to_cos": true, "freq_shift": 0,
        "center_input_sample": false, "mid_block_scale_factor": 1, "conv_in_kernel": 3, "conv_out_kernel": 3,
        "time_embedding_dim": null, "use_linear_projection": false, "upcast_attention": false,
        "only_cross_attention": false, "transformer_layers_per_block": 1, "addition_embed_type": null,
        "addition_time_embed_dim": 4, "projection_class_embeddings_input_dim": 30, "act_fn": "silu",
        "class_embed_type": null, "dual_cross_attention": false, "num_attention_heads": null,
    })
}

fn vae() -> Value {
    json!({
        "in_channels": 3, "out_channels": 3, "block_out_channels": [4, 8],
        "down_block_types": ["DownEncoderBlock2D", "DownEncoderBlock2D"],
        "up_block_types": ["UpDecoderBlock2D", "UpDecoderBlock2D"], "layers_per_block": 1, "act_fn": "silu",
        "latent_channels": 4, "norm_num_groups": 2, "sample_size": 8, "scaling_factor": 0.2,
        "shift_factor": null, "latents_mean": null, "latents_std": null, "force_upcast": true,
        "use_quant_conv": true, "use_post_quant_conv": true, "mid_block_add_attention": true,
    })
}

fn text() -> Value {
    json!({
        "architectures": ["CLIPTextModel"], "vocab_size": 12, "hidden_size": 8, "intermediate_size": 8,
        "projection_dim": 4, "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 8,
        "hidden_act": "gelu", "layer_norm_eps": 1e-5, "bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 1,
    })
}

/// Whether a network of these sizes is worth building in a test.
fn small(sizes: impl IntoIterator<Item = usize>) -> bool {
    sizes.into_iter().all(|size| size <= 64)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn denoisers_are_refused_or_work(fields in mutated(unet())) {
        let device = Device::flex();
        let Ok(config) = UNet2DConditionConfig::try_from(fields) else { return Ok(()) };
        let sizes = config.block_out_channels.iter().chain(&config.cross_attention_dim)
            .chain(&config.layers_per_block).chain(&config.transformer_layers_per_block)
            .chain([&config.in_channels, &config.out_channels, &config.conv_in_kernel, &config.conv_out_kernel])
            .copied().chain([config.time_features()]);
        if !small(sizes) || config.cross_attention_dim.windows(2).any(|pair| pair[0] != pair[1]) {
            return Ok(());
        }
        let model = UNet2DConditionModel::new(&config, &device);
        let added = config.addition.map(|addition| AddedConditioning {
            text_embeds: Tensor::zeros([1, addition.text_features()], &device),
            time_ids: Some(Tensor::ones([1, 6], &device)),
        });
        let conditioning = Conditioning {
            context: Tensor::ones([1, 3, config.cross_attention_dim[0]], &device),
            value_context: None,
            key_contexts: None,
            added,
        };
        let latents = Tensor::<4>::ones([1, config.in_channels, 8, 8], &device);
        let output = model.forward(latents, Tensor::from_data([3.0], &device), conditioning);
        prop_assert_eq!(output.dims(), [1, config.out_channels, 8, 8]);
        let written = serde_json::to_value(&config).unwrap();
        prop_assert_eq!(serde_json::from_value::<UNet2DConditionConfig>(written).unwrap(), config);
    }

    #[test]
    fn autoencoders_are_refused_or_work(fields in mutated(vae())) {
        let device = Device::flex();
        let Ok(config) = serde_json::from_value::<AutoencoderConfig>(Value::Object(fields)) else { return Ok(()) };
        if config.validate().is_err() {
            prop_assert!(AutoencoderKL::new(&config, &device).is_err());
            return Ok(());
        }
        let sizes = config.block_out_channels.iter().copied()
            .chain([config.in_channels, config.out_channels, config.latent_channels, config.layers_per_block]);
        if !small(sizes) {
            return Ok(());
        }
        let model = AutoencoderKL::new(&config, &device).unwrap();
        let latents = Tensor::<4>::ones([1, config.latent_channels, 2, 2], &device);
        let side = 2 * config.downscale();
        prop_assert_eq!(model.decode(latents).dims(), [1, config.out_channels, side, side]);
        let image = Tensor::<4>::ones([1, config.in_channels, side, side], &device);
        prop_assert_eq!(model.encode(image).0.dims(), [1, config.latent_channels, 2, 2]);
    }

    #[test]
    fn text_encoders_are_refused_or_work(fields in mutated(text())) {
        let device = Device::flex();
        let Ok(config) = serde_json::from_value::<ClipTextConfig>(Value::Object(fields)) else { return Ok(()) };
        if config.validate().is_err() {
            prop_assert!(ClipTextModel::new(&config, &device).is_err());
            return Ok(());
        }
        let sizes = [
            config.vocab_size, config.hidden_size, config.intermediate_size, config.projection_dim,
            config.num_hidden_layers, config.max_position_embeddings,
        ];
        if !small(sizes) {
            return Ok(());
        }
        let model = ClipTextModel::new(&config, &device).unwrap();
        let ids = Tensor::<2, Int>::zeros([1, config.max_position_embeddings.min(4)], &device);
        let output = model.forward(ids.clone());
        let tokens = config.max_position_embeddings.min(4);
        prop_assert_eq!(output.penultimate.dims(), [1, tokens, config.hidden_size]);
        let pooled = model.pooled(ids, output.last_hidden_state);
        let width = if config.has_projection() { config.projection_dim } else { config.hidden_size };
        prop_assert_eq!(pooled.dims(), [1, width]);
    }
}
