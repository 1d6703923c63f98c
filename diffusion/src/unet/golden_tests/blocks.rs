//! Every block of the network alone.

use burn::tensor::{Tensor, activation};

use super::super::*;
use super::{Case, OUTPUT_TOLERANCE, values_of};
use crate::nn::layers::{Attention, AttentionShape, Downsample2D, Upsample2D};

/// From diffusers' order of an image to the one inside the network.
fn rows_first(image: Tensor<4>) -> Tensor<4> {
    image.permute([0, 2, 3, 1])
}

fn channels_first(image: Tensor<4>) -> Tensor<4> {
    image.permute([0, 3, 1, 2])
}

#[test]
fn residual_block() {
    for (name, out_channels, output_scale_factor) in [("resnet", 4, 1.0), ("resnet_shortcut", 6, 1.5)] {
        let mut case = Case::block(name);
        let shape = ResnetShape {
            in_channels: 4,
            out_channels,
            time_features: 6,
            groups: 2,
            epsilon: 1e-5,
            output_scale_factor,
        };
        let block = case.load(ResnetBlock2D::new(&shape, &case.device));
        let time = activation::silu(case.input("temb"));
        let output = block.forward(rows_first(case.input("input_tensor")), time);
        case.check(block, channels_first(output));
    }
}

#[test]
fn attention_to_itself_and_to_context() {
    for (name, context_features) in [("self_attention", 12), ("cross_attention", 6)] {
        let mut case = Case::block(name);
        let shape = AttentionShape {
            features: 12,
            context_features,
            heads: 3,
            head_features: 4,
            upcast: false,
        };
        let block = case.load(Attention::new(&shape, &case.device));
        let tokens = case.input("hidden_states");
        let context = match name {
            "self_attention" => tokens.clone(),
            _ => case.input("encoder_hidden_states"),
        };
        let output = block.forward(tokens, context);
        case.check(block, output);
    }
}

#[test]
fn feed_forward() {
    let mut case = Case::block("feed_forward");
    let block = case.load(FeedForward::new(12, &case.device));
    let output = block.forward(case.input("hidden_states"));
    case.check(block, output);
}

fn transformer_shape(only_cross_attention: bool) -> TransformerShape {
    TransformerShape {
        channels: 12,
        heads: 3,
        context_features: 6,
        layers: 1,
        groups: 4,
        only_cross_attention,
        upcast_attention: false,
    }
}

#[test]
fn transformer_block() {
    for (name, only_cross_attention) in [("basic_block", false), ("only_cross_attention", true)] {
        let mut case = Case::block(name);
        let shape = transformer_shape(only_cross_attention);
        let block = case.load(BasicTransformerBlock::new(&shape, &case.device));
        let tokens = case.input("hidden_states");
        let output = block.forward(tokens, case.input("encoder_hidden_states"));
        case.check(block, output);
    }
}

#[test]
fn transformer_with_both_kinds_of_projection() {
    for name in ["transformer_conv", "transformer_linear"] {
        let mut case = Case::block(name);
        let shape = transformer_shape(false);
        let block = case.load(Transformer2DModel::new(&shape, &case.device));
        let image = rows_first(case.input("hidden_states"));
        let output = block.forward(image, case.input("encoder_hidden_states"));
        case.check(block, channels_first(output));
    }
}

#[test]
fn halving_and_doubling() {
    for (name, padding) in [("downsample", 1), ("downsample_unpadded", 0)] {
        let mut case = Case::block(name);
        let block = case.load(Downsample2D::new(4, padding, &case.device));
        let output = block.forward(rows_first(case.input("hidden_states")));
        case.check(block, channels_first(output));
    }
    let mut case = Case::block("upsample");
    let block = case.load(Upsample2D::new(4, &case.device));
    let output = block.forward(rows_first(case.input("hidden_states")), None);
    case.check(block, channels_first(output));
}

#[test]
fn time_embedding() {
    let mut case = Case::block("time_embedding");
    let block = case.load(TimestepEmbedding::new(8, 12, &case.device));
    let output = block.forward(case.input("sample"));
    case.check(block, output);
}

#[test]
fn sines_and_cosines_of_timesteps() {
    for (name, flip_sin_to_cos, freq_shift) in [
        ("timesteps_flipped", true, 0.0),
        ("timesteps_straight", false, 1.0),
    ] {
        let case = Case::block(name);
        let embedding = Timesteps {
            features: 10,
            flip_sin_to_cos,
            freq_shift,
        };
        let output = embedding.forward(case.fixed("timesteps"));
        case.compare("output", &values_of(output), OUTPUT_TOLERANCE);
    }
}
