//! One layer of the vision transformer.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use mitune_diffusion::nn::kernels::Activation;
use mitune_diffusion::nn::layers::{Bias, LayerNorm, Linear};

use super::config::BlipVisionConfig;
use crate::wide_attention::attend_to_each_other;

/// transformers' `BlipEncoderLayer`: normalisation before each half, residuals around it.
#[derive(Module, Debug)]
pub(super) struct VisionLayer {
    self_attn: VisionAttention,
    layer_norm1: LayerNorm,
    mlp: FeedForward,
    layer_norm2: LayerNorm,
}

/// Attention whose queries, keys and values are one product.
#[derive(Module, Debug)]
struct VisionAttention {
    qkv: Linear,
    projection: Linear,
    #[module(skip)]
    heads: usize,
}

#[derive(Module, Debug)]
struct FeedForward {
    fc1: Linear,
    fc2: Linear,
}

impl VisionLayer {
    pub(super) fn new(config: &BlipVisionConfig, device: &Device) -> Self {
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        let linear = |input, output| Linear::new(input, output, Bias::Present, device);
        Self {
            self_attn: VisionAttention {
                qkv: linear(width, 3 * width),
                projection: linear(width, width),
                heads: config.num_attention_heads,
            },
            layer_norm1: layer_norm(config, device),
            mlp: FeedForward {
                fc1: linear(width, inner),
                fc2: linear(inner, width),
            },
            layer_norm2: layer_norm(config, device),
        }
    }

    /// # Shapes
    /// - x and output: `[batch, tokens, width]`
    pub(super) fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let x = x.clone() + self.self_attn.forward(self.layer_norm1.forward(x));
        x.clone() + self.mlp.forward(self.layer_norm2.forward(x))
    }
}

impl VisionAttention {
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let joined = self.qkv.forward(x);
        self.projection.forward(attend_to_each_other(joined, self.heads))
    }
}

impl FeedForward {
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        self.fc2.forward(self.fc1.forward_activated(x, Activation::Gelu))
    }
}

pub(super) fn layer_norm(config: &BlipVisionConfig, device: &Device) -> LayerNorm {
    LayerNorm::with_epsilon(config.hidden_size, config.layer_norm_eps, device)
}
