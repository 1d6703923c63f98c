//! Causal self-attention over tokens.

use burn::module::Module;
use burn::tensor::module::attention;
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Device, Tensor};

use super::config::ClipTextConfig;
use crate::adapter::AdaptableLayer;
use crate::linear::{Bias, Linear};
use crate::unet::VisitLayers;

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
        let [batch, tokens, width] = x.dims();
        let heads = |linear: &Linear| {
            linear
                .forward(x.clone())
                .reshape([batch, tokens, self.heads, width / self.heads])
                .swap_dims(1, 2)
        };
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
        self.out_proj
            .forward(attended.swap_dims(1, 2).reshape([batch, tokens, width]))
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
