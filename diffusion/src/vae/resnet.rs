//! A residual block of two convolutions, without a time embedding.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{GroupNorm, GroupNormConfig, PaddingConfig2d};
use burn::tensor::activation::silu;
use burn::tensor::{Device, Tensor};

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
            conv1: conv3x3(input, output, device),
            norm2: group_norm(groups, output, device),
            conv2: conv3x3(output, output, device),
            conv_shortcut: (input != output).then(|| conv1x1(input, output, device)),
        }
    }

    /// # Shapes
    /// - x: `[batch, in, height, width]`, output: `[batch, out, height, width]`
    pub(super) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let hidden = self.conv1.forward(silu(self.norm1.forward(x.clone())));
        let hidden = self.conv2.forward(silu(self.norm2.forward(hidden)));
        match &self.conv_shortcut {
            Some(shortcut) => shortcut.forward(x) + hidden,
            None => x + hidden,
        }
    }
}

/// A group normalization with the autoencoder's epsilon, 1e-6.
pub(super) fn group_norm(groups: usize, channels: usize, device: &Device) -> GroupNorm {
    GroupNormConfig::new(groups, channels)
        .with_epsilon(1e-6)
        .init(device)
}

pub(super) fn conv3x3(input: usize, output: usize, device: &Device) -> Conv2d {
    Conv2dConfig::new([input, output], [3, 3])
        .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
        .init(device)
}

pub(super) fn conv1x1(input: usize, output: usize, device: &Device) -> Conv2d {
    Conv2dConfig::new([input, output], [1, 1]).init(device)
}
