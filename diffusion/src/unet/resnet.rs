//! The residual block with a shift by the timestep.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::nn::layers::{AdaptableLayer, Bias, Conv2d, GroupNorm, Linear, VisitLayers};

/// Sizes of a [`ResnetBlock2D`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ResnetShape {
    /// Channels of the input.
    pub in_channels: usize,
    /// Channels of the output.
    pub out_channels: usize,
    /// Features of the time embedding.
    pub time_features: usize,
    /// Groups of both group norms.
    pub groups: usize,
    /// Added to the variance in both group norms.
    pub epsilon: f64,
    /// The sum of both branches is divided by this.
    pub output_scale_factor: f64,
}

/// Adds two normalised convolutions, shifted by the timestep in between, to its input.
#[derive(Module, Debug)]
pub struct ResnetBlock2D {
    /// Before the first convolution.
    pub norm1: GroupNorm,
    /// Changes the number of channels.
    pub conv1: Conv2d,
    /// From the time embedding to one shift per channel.
    pub time_emb_proj: Linear,
    /// Before the second convolution.
    pub norm2: GroupNorm,
    /// Keeps the number of channels.
    pub conv2: Conv2d,
    /// Present where the number of channels changes, kernel 1.
    pub conv_shortcut: Option<Conv2d>,
    #[module(skip)]
    output_scale_factor: f64,
}

impl ResnetBlock2D {
    /// Creates the block with fresh weights.
    pub fn new(shape: &ResnetShape, device: &Device) -> Self {
        let ResnetShape {
            in_channels,
            out_channels,
            time_features,
            groups,
            epsilon,
            output_scale_factor,
        } = *shape;
        Self {
            norm1: GroupNorm::new(groups, in_channels, epsilon, device),
            conv1: Conv2d::same([in_channels, out_channels], 3, device),
            time_emb_proj: Linear::new(time_features, out_channels, Bias::Present, device),
            norm2: GroupNorm::new(groups, out_channels, epsilon, device),
            conv2: Conv2d::same([out_channels, out_channels], 3, device),
            conv_shortcut: (in_channels != out_channels)
                .then(|| Conv2d::same([in_channels, out_channels], 1, device)),
            output_scale_factor,
        }
    }

    /// Applies the block.
    ///
    /// # Shapes
    /// - x: `[batch, height, width, in]`
    /// - activated_time: `[batch, time features]`, already through SiLU, because every block of a
    ///   model would otherwise repeat it
    /// - output: `[batch, height, width, out]`
    pub fn forward(&self, x: Tensor<4>, activated_time: Tensor<2>) -> Tensor<4> {
        let shift = self.time_emb_proj.forward(activated_time);
        let hidden = self.norm1.forward_silu(x.clone());
        let hidden = self.conv1.forward_shifted(hidden, shift);
        let hidden = self.conv2.forward(self.norm2.forward_silu(hidden));
        let shortcut = match &self.conv_shortcut {
            Some(conv) => conv.forward(x),
            None => x,
        };
        let sum = shortcut + hidden;
        match self.output_scale_factor {
            1.0 => sum,
            factor => sum / factor,
        }
    }
}

impl VisitLayers for ResnetBlock2D {
    fn visit_layers(&mut self, path: &str, visit: &mut dyn FnMut(&str, AdaptableLayer<'_>)) {
        self.conv1.visit_layers(&format!("{path}.conv1"), visit);
        self.time_emb_proj
            .visit_layers(&format!("{path}.time_emb_proj"), visit);
        self.conv2.visit_layers(&format!("{path}.conv2"), visit);
        self.conv_shortcut
            .visit_layers(&format!("{path}.conv_shortcut"), visit);
    }
}
