//! The two-dimensional convolution.

use burn::module::{Module, Param};
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor};

use crate::linear::uniform_by_fan_in;

/// Convolves an image with square kernels and zero padding.
#[derive(Module, Debug)]
pub struct Conv2d {
    /// Weight, `[out, in, kernel, kernel]`.
    pub weight: Param<Tensor<4>>,
    /// Bias, `[out]`.
    pub bias: Option<Param<Tensor<1>>>,
    #[module(skip)]
    stride: usize,
    #[module(skip)]
    padding: Padding,
}

/// Zeros added around an image before it is convolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// The same number on all four sides.
    Each(usize),
    /// One row below and one column to the right, diffusers' padding "0" of a downsampler.
    BottomRight,
}

impl Conv2d {
    /// Creates a convolution with PyTorch's initial values: uniform within `1 / sqrt(fan_in)`.
    pub fn new(
        [in_channels, out_channels]: [usize; 2],
        kernel: usize,
        stride: usize,
        padding: Padding,
        device: &Device,
    ) -> Self {
        let initial = uniform_by_fan_in();
        let shape = [out_channels, in_channels, kernel, kernel];
        let fan_in = Some(in_channels * kernel * kernel);
        let fan_out = Some(out_channels * kernel * kernel);
        Self {
            weight: initial.init_with(shape, fan_in, fan_out, device),
            bias: Some(initial.init_with([out_channels], fan_in, fan_out, device)),
            stride,
            padding,
        }
    }

    /// Creates a convolution that keeps height and width; `kernel` is odd.
    pub fn same(channels: [usize; 2], kernel: usize, device: &Device) -> Self {
        Self::new(channels, kernel, 1, Padding::Each(kernel / 2), device)
    }

    /// Convolves `x`.
    ///
    /// # Shapes
    /// - x: `[batch, in, height, width]`
    /// - output: `[batch, out, (height + padding - kernel) / stride + 1, ..]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let sides = match self.padding {
            Padding::Each(n) => [(n, n), (n, n)],
            Padding::BottomRight => [(0, 1), (0, 1)],
        };
        let stride = [self.stride, self.stride];
        let options = ConvOptions::<2>::new_with_padding(stride, sides, [1, 1], 1);
        let bias = self.bias.as_ref().map(Param::val);
        conv2d(x, self.weight.val(), bias, options)
    }
}
