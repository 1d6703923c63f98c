//! Self-attention over positions, with one head as wide as the channels.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::resnet::group_norm;
use crate::nn::kernels::attention;
use crate::nn::layers::{Bias, GroupNorm, Linear};

/// diffusers' `Attention` as the autoencoder's middle blocks use it.
#[derive(Module, Debug)]
pub(super) struct SpatialAttention {
    group_norm: GroupNorm,
    to_q: Linear,
    to_k: Linear,
    to_v: Linear,
    to_out: Vec<Linear>,
}

impl SpatialAttention {
    pub(super) fn new(channels: usize, groups: usize, device: &Device) -> Self {
        let projection = || Linear::new(channels, channels, Bias::Present, device);
        Self {
            group_norm: group_norm(groups, channels, device),
            to_q: projection(),
            to_k: projection(),
            to_v: projection(),
            to_out: vec![projection()],
        }
    }

    /// # Shapes
    /// - x and output: `[batch, height, width, channels]`
    pub(super) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let [batch, height, width, channels] = x.dims();
        let positions = height * width;
        let sequence = self
            .group_norm
            .forward(x.clone())
            .reshape([batch, positions, channels]);
        let [query, key, value] =
            [&self.to_q, &self.to_k, &self.to_v].map(|linear| linear.forward(sequence.clone()));
        let attended = attention(query, key, value, 1);
        let output = self.to_out.iter().fold(attended, |x, linear| linear.forward(x));
        x + output.reshape([batch, height, width, channels])
    }
}
