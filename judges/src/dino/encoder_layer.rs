//! One transformer layer.

use burn::module::{Initializer, Module, Param};
use burn::tensor::{Device, Tensor, activation};
use mitune_diffusion::nn::kernels::Activation;
use mitune_diffusion::nn::layers::{Bias, LayerNorm, Linear};

use super::DinoConfig;
use crate::wide_attention::attend;

/// transformers' `Dinov2Layer`: normalization before each half, a scale of each feature after it, residuals around.
#[derive(Module, Debug)]
pub(super) struct EncoderLayer {
    norm1: LayerNorm,
    attention: SelfAttention,
    layer_scale1: Option<LayerScale>,
    norm2: LayerNorm,
    mlp: FeedForward,
    layer_scale2: Option<LayerScale>,
}

#[derive(Module, Debug)]
struct SelfAttention {
    q_proj: Linear,
    k_proj: Linear,
    v_proj: Linear,
    o_proj: Linear,
    #[module(skip)]
    heads: usize,
}

/// Either two layers with GELU between them, or two with a gate.
#[derive(Module, Debug)]
struct FeedForward {
    fc1: Option<Linear>,
    fc2: Option<Linear>,
    weights_in: Option<Linear>,
    weights_out: Option<Linear>,
}

#[derive(Module, Debug)]
struct LayerScale {
    lambda1: Param<Tensor<1>>,
}

impl EncoderLayer {
    pub(super) fn new(config: &DinoConfig, device: &Device) -> Self {
        let width = config.hidden_size;
        let bias = match config.qkv_bias {
            true => Bias::Present,
            false => Bias::Absent,
        };
        let norm = || LayerNorm::with_epsilon(width, config.layer_norm_eps, device);
        let scale = || {
            Some(LayerScale {
                lambda1: Initializer::Ones.init([width], device),
            })
        };
        Self {
            norm1: norm(),
            attention: SelfAttention {
                q_proj: Linear::new(width, width, bias, device),
                k_proj: Linear::new(width, width, bias, device),
                v_proj: Linear::new(width, width, bias, device),
                o_proj: Linear::new(width, width, Bias::Present, device),
                heads: config.num_attention_heads,
            },
            layer_scale1: scale(),
            norm2: norm(),
            mlp: FeedForward::new(config, device),
            layer_scale2: scale(),
        }
    }

    /// Multiplies the scales into the layers before them, which spares two passes over all tokens.
    pub(super) fn fold_scales(&mut self) {
        if let Some(scale) = self.layer_scale1.take() {
            scale.fold_into(&mut self.attention.o_proj);
        }
        if let Some(scale) = self.layer_scale2.take() {
            let mlp = &mut self.mlp;
            if let Some(last) = mlp.fc2.as_mut().or(mlp.weights_out.as_mut()) {
                scale.fold_into(last);
            }
        }
    }

    /// # Shapes
    /// - x and output: `[batch, tokens, width]`
    pub(super) fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let normed = self.norm1.forward(x.clone());
        self.finish(x, self.attention.forward(normed.clone(), normed))
    }

    /// The first token alone, as [`Self::forward`] gives it: nothing else of the last layer is looked at.
    ///
    /// # Shapes
    /// - x: `[batch, tokens, width]`
    /// - output: `[batch, 1, width]`
    pub(super) fn forward_first(&self, x: Tensor<3>) -> Tensor<3> {
        let normed = self.norm1.forward(x.clone());
        let attended = self.attention.forward(normed.clone().narrow(1, 0, 1), normed);
        self.finish(x.narrow(1, 0, 1), attended)
    }

    fn finish(&self, x: Tensor<3>, attended: Tensor<3>) -> Tensor<3> {
        let x = x + scaled(&self.layer_scale1, attended);
        let fed = self.mlp.forward(self.norm2.forward(x.clone()));
        x + scaled(&self.layer_scale2, fed)
    }
}

impl SelfAttention {
    fn forward(&self, x: Tensor<3>, context: Tensor<3>) -> Tensor<3> {
        let query = self.q_proj.forward(x);
        let key = self.k_proj.forward(context.clone());
        let value = self.v_proj.forward(context);
        self.o_proj.forward(attend([query, key, value], self.heads))
    }
}

impl FeedForward {
    fn new(config: &DinoConfig, device: &Device) -> Self {
        let (width, inner) = (config.hidden_size, config.inner_size());
        let layer =
            |made: bool, from: usize, to: usize| made.then(|| Linear::new(from, to, Bias::Present, device));
        let gated = config.use_swiglu_ffn;
        Self {
            fc1: layer(!gated, width, inner),
            fc2: layer(!gated, inner, width),
            weights_in: layer(gated, width, 2 * inner),
            weights_out: layer(gated, inner, width),
        }
    }

    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        if let (Some(first), Some(second)) = (&self.fc1, &self.fc2) {
            return second.forward(first.forward_activated(x, Activation::Gelu));
        }
        let (Some(first), Some(second)) = (&self.weights_in, &self.weights_out) else {
            return x;
        };
        let both = first.forward(x);
        let inner = both.dims()[2] / 2;
        let gate = activation::silu(both.clone().narrow(2, 0, inner));
        second.forward(gate * both.narrow(2, inner, inner))
    }
}

impl LayerScale {
    fn fold_into(self, layer: &mut Linear) {
        let scale = self.lambda1.val();
        let rows: Tensor<2> = scale.clone().unsqueeze_dim(1);
        layer.weight = layer.weight.clone().map(|weight| weight * rows);
        layer.bias = layer.bias.clone().map(|bias| bias.map(|bias| bias * scale));
    }
}

fn scaled(scale: &Option<LayerScale>, x: Tensor<3>) -> Tensor<3> {
    match scale {
        Some(scale) => x * scale.lambda1.val().unsqueeze(),
        None => x,
    }
}
