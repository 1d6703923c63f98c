//! The two-dimensional convolution.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

use crate::kernels::{Window, conv2d};
use crate::linear::uniform_by_fan_in;

/// Convolves an image with square kernels and zero padding.
#[derive(Module, Debug)]
pub struct Conv2d {
    /// Weight, `[out, in, kernel, kernel]`.
    pub weight: Param<Tensor<4>>,
    /// Bias, `[out]`.
    pub bias: Param<Tensor<1>>,
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
        conv2d(x, self.weight.val(), self.bias.val().unsqueeze(), self.window)
    }

    /// Convolves `x` and adds a value to each channel of each image.
    ///
    /// # Shapes
    /// - x: `[batch, height, width, in]`
    /// - shift: `[batch, out]`
    /// - output: `[batch, .., .., out]`, see [`conv2d`]
    pub fn forward_shifted(&self, x: Tensor<4>, shift: Tensor<2>) -> Tensor<4> {
        let bias = self.bias.val().unsqueeze() + shift;
        conv2d(x, self.weight.val(), bias, self.window)
    }
}
