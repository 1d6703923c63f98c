//! The two-dimensional convolution.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

use super::linear::uniform_by_fan_in;
use super::low_rank_adapter::LowRankAdapter;
use crate::nn::kernels::{Window, conv2d};

/// Convolves an image with square kernels and zero padding.
#[derive(Module, Debug)]
pub struct Conv2d {
    /// Weight, `[out, in, kernel, kernel]`.
    pub weight: Param<Tensor<4>>,
    /// Bias, `[out]`.
    pub bias: Param<Tensor<1>>,
    /// Low-rank change of the layer, absent by default.
    pub adapter: Option<LowRankAdapter>,
    #[module(skip)]
    window: Window,
}

impl Conv2d {
    /// Creates a convolution with PyTorch's initial values: uniform within `1 / sqrt(fan_in)`.
    pub fn new(
        [in_channels, out_channels]: [usize; 2],
        kernel: usize,
        window: Window,
        device: &Device,
    ) -> Self {
        let initial = uniform_by_fan_in();
        let shape = [out_channels, in_channels, kernel, kernel];
        let fan_in = Some(in_channels * kernel * kernel);
        let fan_out = Some(out_channels * kernel * kernel);
        Self {
            weight: initial.init_with(shape, fan_in, fan_out, device),
            bias: initial.init_with([out_channels], fan_in, fan_out, device),
            adapter: None,
            window,
        }
    }

    /// Creates a convolution that keeps height and width; `kernel` is odd.
    pub fn same(channels: [usize; 2], kernel: usize, device: &Device) -> Self {
        let window = Window {
            stride: 1,
            before: kernel / 2,
            after: kernel / 2,
        };
        Self::new(channels, kernel, window, device)
    }

    /// Convolves `x`.
    ///
    /// # Shapes
    /// - x: `[batch, height, width, in]`
    /// - output: `[batch, .., .., out]`, see [`conv2d`]
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        conv2d(x, self.adapted_weight(), self.bias.val().unsqueeze(), self.window)
    }

    /// Convolves `x` and adds a value to each channel of each image.
    ///
    /// # Shapes
    /// - x: `[batch, height, width, in]`
    /// - shift: `[batch, out]`
    /// - output: `[batch, .., .., out]`, see [`conv2d`]
    pub fn forward_shifted(&self, x: Tensor<4>, shift: Tensor<2>) -> Tensor<4> {
        let bias = self.bias.val().unsqueeze() + shift;
        conv2d(x, self.adapted_weight(), bias, self.window)
    }

    /// The weight with its adapter folded in.
    ///
    /// A kernel is small beside the images it goes over, so that folding costs less than running
    /// two more convolutions, and gives the same function and gradients.
    fn adapted_weight(&self) -> Tensor<4> {
        let weight = self.weight.val();
        let Some(adapter) = &self.adapter else {
            return weight;
        };
        let [outputs, inputs, height, width] = weight.dims();
        adapter
            .fold(weight.reshape([outputs, inputs * height * width]))
            .reshape([outputs, inputs, height, width])
    }
}
