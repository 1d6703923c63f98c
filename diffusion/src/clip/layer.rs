//! One transformer layer of the text model.

use burn::module::Module;
use burn::tensor::activation::{gelu, sigmoid};
use burn::tensor::{Device, Tensor};

use super::attention::CausalAttention;
use super::config::{ClipTextConfig, HiddenActivation};
use crate::nn::layers::{AdaptableLayer, Bias, LayerNorm, Linear, VisitLayers};

/// transformers' `CLIPEncoderLayer`: normalization before each half, residuals around it.
#[derive(Module, Debug)]
pub(super) struct EncoderLayer {
    self_attn: CausalAttention,
    layer_norm1: LayerNorm,
    mlp: FeedForward,
    layer_norm2: LayerNorm,
}

#[derive(Module, Debug)]
struct FeedForward {
    fc1: Linear,
    fc2: Linear,
    #[module(skip)]
    activation: HiddenActivation,
}

impl EncoderLayer {
    pub(super) fn new(config: &ClipTextConfig, device: &Device) -> Self {
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        Self {
            self_attn: CausalAttention::new(config, device),
            layer_norm1: layer_norm(config, device),
            mlp: FeedForward {
                fc1: Linear::new(width, inner, Bias::Present, device),
                fc2: Linear::new(inner, width, Bias::Present, device),
                activation: config.hidden_act,
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

impl FeedForward {
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let hidden = self.fc1.forward(x);
        let hidden = match self.activation {
            HiddenActivation::QuickGelu => hidden.clone() * sigmoid(hidden * 1.702),
            HiddenActivation::Gelu => gelu(hidden),
        };
        self.fc2.forward(hidden)
    }
}

impl VisitLayers for EncoderLayer {
    fn visit_layers(&mut self, path: &str, visit: &mut dyn FnMut(&str, AdaptableLayer<'_>)) {
        self.self_attn.visit_layers(&format!("{path}.self_attn"), visit);
        self.mlp.fc1.visit_layers(&format!("{path}.mlp.fc1"), visit);
        self.mlp.fc2.visit_layers(&format!("{path}.mlp.fc2"), visit);
    }
}

pub(super) fn layer_norm(config: &ClipTextConfig, device: &Device) -> LayerNorm {
    LayerNorm::with_epsilon(config.hidden_size, config.layer_norm_eps, device)
}
