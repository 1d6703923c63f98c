//! Group and layer normalisation under diffusers' parameter names.

use burn::module::{Initializer, Module, Param};
use burn::tensor::{Device, Tensor};

use crate::nn::kernels::{GroupNormOptions, group_norm, layer_norm};

/// Normalises groups of channels of one image to mean 0 and variance 1, then scales and shifts
/// each channel.
#[derive(Module, Debug)]
pub struct GroupNorm {
    /// Scale, `[channels]`.
    pub weight: Param<Tensor<1>>,
    /// Shift, `[channels]`.
    pub bias: Param<Tensor<1>>,
    #[module(skip)]
    groups: usize,
    #[module(skip)]
    epsilon: f64,
}

impl GroupNorm {
    /// Creates the identity scale and shift; `groups` divides `channels`.
    pub fn new(groups: usize, channels: usize, epsilon: f64, device: &Device) -> Self {
        Self {
            weight: Initializer::Ones.init([channels], device),
            bias: Initializer::Zeros.init([channels], device),
            groups,
            epsilon,
        }
    }

    /// Normalises `x`.
    ///
    /// # Shapes
    /// - x and output: `[batch, height, width, channels]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.run(x, false)
    }

    /// Normalises `x` and applies the SiLU that follows in every residual block.
    ///
    /// # Shapes
    /// - x and output: `[batch, height, width, channels]`
    pub fn forward_silu(&self, x: Tensor<4>) -> Tensor<4> {
        self.run(x, true)
    }

    fn run(&self, x: Tensor<4>, silu: bool) -> Tensor<4> {
        let options = GroupNormOptions {
            groups: self.groups,
            epsilon: self.epsilon,
            silu,
        };
        group_norm(x, self.weight.val(), self.bias.val(), options)
    }
}

/// Normalises each token to mean 0 and variance 1, then scales and shifts each feature.
#[derive(Module, Debug)]
pub struct LayerNorm {
    /// Scale, `[features]`.
    pub weight: Param<Tensor<1>>,
    /// Shift, `[features]`.
    pub bias: Param<Tensor<1>>,
    #[module(skip)]
    epsilon: f64,
}

impl LayerNorm {
    /// Added to the variance, PyTorch's default.
    const EPSILON: f64 = 1e-5;

    /// Creates the identity scale and shift.
    pub fn new(features: usize, device: &Device) -> Self {
        Self::with_epsilon(features, Self::EPSILON, device)
    }

    /// Creates the identity scale and shift with another addition to the variance.
    pub fn with_epsilon(features: usize, epsilon: f64, device: &Device) -> Self {
        Self {
            weight: Initializer::Ones.init([features], device),
            bias: Initializer::Zeros.init([features], device),
            epsilon,
        }
    }

    /// Normalises `x`.
    ///
    /// # Shapes
    /// - x and output: `[batch, tokens, features]`
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        layer_norm(x, self.weight.val(), self.bias.val(), self.epsilon)
    }
}
