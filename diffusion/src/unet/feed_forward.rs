//! The gated feed-forward layer of a transformer block.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::nn::kernels::gated_gelu;
use crate::nn::layers::{AdaptableLayer, Bias, Linear, VisitLayers};

/// Widens each token, gates it, and narrows it again.
#[derive(Module, Debug)]
pub struct FeedForward {
    /// Both layers, under the name diffusers gives its list.
    pub net: FeedForwardLayers,
}

/// Layers of a [`FeedForward`], numbers 0 and 2 of diffusers' list, whose number 1 is a dropout.
#[derive(Module, Debug)]
pub struct FeedForwardLayers {
    /// Number 0.
    pub gate: GeGlu,
    /// Number 2.
    pub output: Linear,
}

/// Multiplies one half of a projection by the GELU of the other
/// (GLU Variants Improve Transformer, arXiv 2002.05202, equation 6).
#[derive(Module, Debug)]
pub struct GeGlu {
    /// To values, then gates.
    pub proj: Linear,
}

impl FeedForward {
    /// How many times wider than its tokens the layer is inside.
    const EXPANSION: usize = 4;

    /// Creates both layers with fresh weights.
    pub fn new(features: usize, device: &Device) -> Self {
        let inner = Self::EXPANSION * features;
        Self {
            net: FeedForwardLayers {
                gate: GeGlu {
                    proj: Linear::new(features, 2 * inner, Bias::Present, device),
                },
                output: Linear::new(inner, features, Bias::Present, device),
            },
        }
    }

    /// Applies both layers.
    ///
    /// # Shapes
    /// - x and output: `[batch, tokens, features]`
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        self.net.output.forward(self.net.gate.forward(x))
    }
}

impl GeGlu {
    /// Projects and gates.
    ///
    /// # Shapes
    /// - x: `[batch, tokens, features]`
    /// - output: `[batch, tokens, projected features / 2]`
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        gated_gelu(self.proj.forward(x))
    }
}

impl VisitLayers for FeedForward {
    fn visit_layers(&mut self, path: &str, visit: &mut dyn FnMut(&str, AdaptableLayer<'_>)) {
        self.net
            .gate
            .proj
            .visit_layers(&format!("{path}.net.0.proj"), visit);
        self.net.output.visit_layers(&format!("{path}.net.2"), visit);
    }
}
