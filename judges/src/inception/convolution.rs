//! The one layer that all blocks are made of.

use burn::module::{Initializer, Module, Param};
use burn::tensor::{Device, Tensor};
use mitune_diffusion::nn::kernels::{RectangularWindow, conv2d_relu};

/// torchvision's `BasicConv2d`: a convolution, its normalization folded into it, and what is below zero cut off.
#[derive(Module, Debug)]
pub(super) struct BasicConv2d {
    conv: FoldedConvolution,
    #[module(skip)]
    window: RectangularWindow,
}

#[derive(Module, Debug)]
struct FoldedConvolution {
    /// `[out, in, height, width]`.
    weight: Param<Tensor<4>>,
    /// `[out]`; files have none, it comes of the normalization.
    bias: Param<Tensor<1>>,
}

impl BasicConv2d {
    /// A convolution of single pixels.
    pub(super) fn pointwise(channels: [usize; 2], device: &Device) -> Self {
        Self::valid(channels, 1, 1, device)
    }

    /// A convolution that keeps height and width, by a kernel of odd height and width.
    pub(super) fn same(channels: [usize; 2], kernel: [usize; 2], device: &Device) -> Self {
        let [rows, columns] = kernel.map(|side| [side / 2; 2]);
        let window = RectangularWindow {
            stride: 1,
            rows,
            columns,
        };
        Self::new(channels, kernel, window, device)
    }

    /// A convolution that does not reach over the edge.
    pub(super) fn valid(channels: [usize; 2], kernel: usize, stride: usize, device: &Device) -> Self {
        let window = RectangularWindow {
            stride,
            rows: [0, 0],
            columns: [0, 0],
        };
        Self::new(channels, [kernel, kernel], window, device)
    }

    fn new(
        [input, output]: [usize; 2],
        [height, width]: [usize; 2],
        window: RectangularWindow,
        device: &Device,
    ) -> Self {
        Self {
            conv: FoldedConvolution {
                weight: Initializer::Zeros.init([output, input, height, width], device),
                bias: Initializer::Zeros.init([output], device),
            },
            window,
        }
    }

    /// # Shapes
    /// - x: `[batch, height, width, in]`
    /// - output: `[batch, .., .., out]`
    pub(super) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let (weight, bias) = (self.conv.weight.val(), self.conv.bias.val());
        conv2d_relu(x, weight, bias.unsqueeze(), self.window)
    }
}
