//! A residual block of two convolutions, without a time embedding.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::nn::layers::{Conv2d, GroupNorm};

/// diffusers' `ResnetBlock2D` as its autoencoder uses it.
#[derive(Module, Debug)]
pub(super) struct ResnetBlock {
    norm1: GroupNorm,
    conv1: Conv2d,
    norm2: GroupNorm,
    conv2: Conv2d,
    conv_shortcut: Option<Conv2d>,
}

impl ResnetBlock {
    pub(super) fn new(channels: [usize; 2], groups: usize, device: &Device) -> Self {
        let [input, output] = channels;
        Self {
            norm1: group_norm(groups, input, device),
            conv1: Conv2d::same([input, output], 3, device),
            norm2: group_norm(groups, output, device),
            conv2: Conv2d::same([output, output], 3, device),
            conv_shortcut: (input != output).then(|| Conv2d::same([input, output], 1, device)),
        }
    }

    /// # Shapes
    /// - x: `[batch, height, width, in]`, output: `[batch, height, width, out]`
    pub(super) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let hidden = self.conv1.forward(self.norm1.forward_silu(x.clone()));
        let hidden = self.conv2.forward(self.norm2.forward_silu(hidden));
        match &self.conv_shortcut {
            Some(shortcut) => shortcut.forward(x) + hidden,
            None => x + hidden,
        }
    }
}

/// A group normalization with the autoencoder's epsilon, 1e-6.
pub(super) fn group_norm(groups: usize, channels: usize, device: &Device) -> GroupNorm {
    GroupNorm::new(groups, channels, 1e-6, device)
}
