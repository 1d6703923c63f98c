//! The configuration as diffusers writes it.

use serde_json::{Map, Value, json};

use super::{ADDITION, DOWN_BLOCKS, MID_BLOCK, UP_BLOCKS};
use crate::unet::config::UNet2DConditionConfig;

impl From<UNet2DConditionConfig> for Map<String, Value> {
    fn from(config: UNet2DConditionConfig) -> Self {
        let down = |&attention: &bool| DOWN_BLOCKS[usize::from(attention)];
        let up = |&attention: &bool| UP_BLOCKS[usize::from(attention)];
        let fields = json!({
            "_class_name": "UNet2DConditionModel",
            "act_fn": "silu",
            "attention_head_dim": per_level(&config.attention_heads),
            "block_out_channels": config.block_out_channels,
            "center_input_sample": config.center_input_sample,
            "conv_in_kernel": config.conv_in_kernel,
            "conv_out_kernel": config.conv_out_kernel,
            "cross_attention_dim": per_level(&config.cross_attention_dim),
            "down_block_types": config.down_attention.iter().map(down).collect::<Vec<_>>(),
            "downsample_padding": config.downsample_padding,
            "flip_sin_to_cos": config.flip_sin_to_cos,
            "freq_shift": number(config.freq_shift),
            "in_channels": config.in_channels,
            "layers_per_block": per_level(&config.layers_per_block),
            "mid_block_scale_factor": number(config.mid_block_scale_factor),
            "mid_block_type": config.mid_block.then_some(MID_BLOCK),
            "norm_eps": config.norm_eps,
            "norm_num_groups": config.norm_num_groups,
            "only_cross_attention": per_level(&config.only_cross_attention),
            "out_channels": config.out_channels,
            "sample_size": config.sample_size,
            "time_embedding_dim": config.time_embedding_dim,
            "transformer_layers_per_block": per_level(&config.transformer_layers_per_block),
            "up_block_types": config.up_attention.iter().rev().map(up).collect::<Vec<_>>(),
            "upcast_attention": config.upcast_attention,
            "use_linear_projection": config.use_linear_projection,
        });
        let Value::Object(mut fields) = fields else {
            return Map::new();
        };
        // Only where it is there: a field more would change the identity of every other model.
        if let Some(addition) = config.addition {
            fields.extend([
                ("addition_embed_type".to_owned(), json!(ADDITION)),
                (
                    "addition_time_embed_dim".to_owned(),
                    json!(addition.time_features),
                ),
                (
                    "projection_class_embeddings_input_dim".to_owned(),
                    json!(addition.in_features),
                ),
            ]);
        }
        fields
    }
}

/// One value where all levels agree: diffusers accepts lists everywhere, tools around it do not.
fn per_level<T: PartialEq + Into<Value> + Copy>(levels: &[T]) -> Value {
    match levels {
        [first, rest @ ..] if rest.iter().all(|level| level == first) => (*first).into(),
        levels => levels.iter().map(|&level| level.into()).collect(),
    }
}

/// A whole number without decimals, as diffusers writes it.
fn number(value: f64) -> Value {
    match value.fract() == 0.0 && value.abs() < 1e15 {
        true => (value as i64).into(),
        false => value.into(),
    }
}
