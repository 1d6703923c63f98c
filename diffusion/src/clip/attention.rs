//! Causal self-attention over tokens.

use burn::module::Module;
use burn::tensor::module::attention;
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Device, Tensor};

use super::config::ClipTextConfig;
use crate::nn::kernels::{join_heads, split_heads};
use crate::nn::layers::{AdaptableLayer, Bias, Linear, VisitLayers};

/// transformers' `CLIPAttention` with the causal mask of the text model.
#[derive(Module, Debug)]
pub(super) struct CausalAttention {
    q_proj: Linear,
    k_proj: Linear,
    v_proj: Linear,
    out_proj: Linear,
    #[module(skip)]
    heads: usize,
}

impl CausalAttention {
    pub(super) fn new(config: &ClipTextConfig, device: &Device) -> Self {
        let width = config.hidden_size;
        let projection = || Linear::new(width, width, Bias::Present, device);
        Self {
            q_proj: projection(),
            k_proj: projection(),
            v_proj: projection(),
            out_proj: projection(),
            heads: config.num_attention_heads,
        }
    }

    /// # Shapes
    /// - x and output: `[batch, tokens, width]`
    pub(super) fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let heads = |linear: &Linear| split_heads(linear.forward(x.clone()), self.heads);
        let attended = attention(
            heads(&self.q_proj),
            heads(&self.k_proj),
            heads(&self.v_proj),
            None,
            None,
            AttentionModuleOptions {
                is_causal: true,
                ..Default::default()
            },
        );
        self.out_proj.forward(join_heads(attended))
    }
}

impl VisitLayers for CausalAttention {
    fn visit_layers(&mut self, path: &str, visit: &mut dyn FnMut(&str, AdaptableLayer<'_>)) {
        self.q_proj.visit_layers(&format!("{path}.q_proj"), visit);
        self.k_proj.visit_layers(&format!("{path}.k_proj"), visit);
        self.v_proj.visit_layers(&format!("{path}.v_proj"), visit);
        self.out_proj.visit_layers(&format!("{path}.out_proj"), visit);
    }
}
