//! The fully connected layer of every model here, with the place where an adapter attaches.

use burn::module::{Initializer, Module, Param};
use burn::tensor::{Device, Tensor};

use super::low_rank_adapter::LowRankAdapter;
use crate::nn::kernels::{Activation, linear, linear_activated};

/// Multiplies by a weight in diffusers' layout, `y = x W^T + b`.
///
/// The weight is kept as `[out, in]`, the order of the files, so that loading, saving and adapting
/// never transpose anything.
#[derive(Module, Debug)]
pub struct Linear {
    /// Weight, `[out, in]`.
    pub weight: Param<Tensor<2>>,
    /// Bias, `[out]`.
    pub bias: Option<Param<Tensor<1>>>,
    /// Low-rank change of the layer, absent by default.
    pub adapter: Option<LowRankAdapter>,
}

/// Whether a layer adds a learned constant to each output feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bias {
    /// The layer has a bias.
    Present,
    /// The layer has none.
    Absent,
}

impl Linear {
    /// Creates a layer with PyTorch's initial values: uniform within `1 / sqrt(in)`.
    pub fn new(in_features: usize, out_features: usize, bias: Bias, device: &Device) -> Self {
        let initial = uniform_by_fan_in();
        let fans = (Some(in_features), Some(out_features));
        Self {
            weight: initial.init_with([out_features, in_features], fans.0, fans.1, device),
            bias: (bias == Bias::Present).then(|| initial.init_with([out_features], fans.0, fans.1, device)),
            adapter: None,
        }
    }

    /// Applies the layer, through its adapter if it has one.
    ///
    /// # Shapes
    /// - x: `[.., in]`
    /// - output: `[.., out]`
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        // One product for all rows: a product per row of the batch would arrange the weight anew for each.
        let mut shape = x.dims();
        let rows: Tensor<2> = x.flatten(0, D - 2);
        let output = self.apply(rows);
        shape[D - 1] = output.dims()[1];
        output.reshape(shape)
    }

    /// Applies the layer and an activation, in one piece of memory where it can.
    ///
    /// # Shapes
    /// - x: `[batch, tokens, in]`
    /// - output: `[batch, tokens, out]`
    pub fn forward_activated(&self, x: Tensor<3>, activation: Activation) -> Tensor<3> {
        if self.adapter.is_some() {
            return activation.apply(self.forward(x));
        }
        let [batch, tokens, features] = x.dims();
        let rows = x.reshape([batch * tokens, features]);
        let bias = self.bias.as_ref().map(Param::val);
        let output = linear_activated(rows, self.weight.val(), bias, activation);
        let features = output.dims()[1];
        output.reshape([batch, tokens, features])
    }

    fn apply(&self, x: Tensor<2>) -> Tensor<2> {
        let weight = self.weight.val();
        let bias = self.bias.as_ref().map(Param::val);
        match &self.adapter {
            Some(adapter) => adapter.forward(x, weight, bias),
            None => linear(x, weight, bias),
        }
    }
}

/// PyTorch's default for linear and convolution layers, `U(-1, 1) / sqrt(fan_in)`.
pub(super) fn uniform_by_fan_in() -> Initializer {
    Initializer::KaimingUniform {
        gain: 1.0 / 3.0_f64.sqrt(),
        fan_out_only: false,
    }
}
