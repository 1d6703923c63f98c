//! One transformer layer of the vision model.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use mitune_diffusion::clip::HiddenActivation;
use mitune_diffusion::nn::kernels::Activation;
use mitune_diffusion::nn::layers::{Bias, LayerNorm, Linear};

use super::ClipVisionConfig;
use crate::wide_attention::attend;

/// transformers' `CLIPEncoderLayer` without a mask: normalization before each half, residuals around it.
#[derive(Module, Debug)]
pub(super) struct EncoderLayer {
    self_attn: SelfAttention,
    layer_norm1: LayerNorm,
    mlp: FeedForward,
    layer_norm2: LayerNorm,
}

#[derive(Module, Debug)]
struct SelfAttention {
    q_proj: Linear,
    k_proj: Linear,
    v_proj: Linear,
    out_proj: Linear,
    #[module(skip)]
    heads: usize,
}

#[derive(Module, Debug)]
struct FeedForward {
    fc1: Linear,
    fc2: Linear,
    #[module(skip)]
    activation: Activation,
}

impl EncoderLayer {
    pub(super) fn new(config: &ClipVisionConfig, device: &Device) -> Self {
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        let projection = || Linear::new(width, width, Bias::Present, device);
        let norm = || LayerNorm::with_epsilon(width, config.layer_norm_eps, device);
        Self {
            self_attn: SelfAttention {
                q_proj: projection(),
                k_proj: projection(),
                v_proj: projection(),
                out_proj: projection(),
                heads: config.num_attention_heads,
            },
            layer_norm1: norm(),
            mlp: FeedForward {
                fc1: Linear::new(width, inner, Bias::Present, device),
                fc2: Linear::new(inner, width, Bias::Present, device),
                activation: match config.hidden_act {
                    HiddenActivation::QuickGelu => Activation::QuickGelu,
                    HiddenActivation::Gelu => Activation::Gelu,
                },
            },
            layer_norm2: norm(),
        }
    }

    /// # Shapes
    /// - x and output: `[batch, tokens, width]`
    pub(super) fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let normed = self.layer_norm1.forward(x.clone());
        self.finish(x, self.self_attn.forward(normed.clone(), normed))
    }

    /// The first token alone, as [`Self::forward`] gives it: nothing else of the last layer is looked at.
    ///
    /// # Shapes
    /// - x: `[batch, tokens, width]`
    /// - output: `[batch, 1, width]`
    pub(super) fn forward_first(&self, x: Tensor<3>) -> Tensor<3> {
        let normed = self.layer_norm1.forward(x.clone());
        let attended = self.self_attn.forward(normed.clone().narrow(1, 0, 1), normed);
        self.finish(x.narrow(1, 0, 1), attended)
    }

    fn finish(&self, x: Tensor<3>, attended: Tensor<3>) -> Tensor<3> {
        let x = x + attended;
        x.clone() + self.mlp.forward(self.layer_norm2.forward(x))
    }
}

impl SelfAttention {
    fn forward(&self, x: Tensor<3>, context: Tensor<3>) -> Tensor<3> {
        let query = self.q_proj.forward(x);
        let key = self.k_proj.forward(context.clone());
        let value = self.v_proj.forward(context);
        self.out_proj.forward(attend([query, key, value], self.heads))
    }
}

impl FeedForward {
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        self.fc2.forward(self.fc1.forward_activated(x, self.activation))
    }
}
