//! Halving and doubling an image.

use burn::module::Module;
use burn::tensor::module::interpolate;
use burn::tensor::ops::{InterpolateMode, InterpolateOptions};
use burn::tensor::{Device, Tensor};

use super::adaptable_layer::AdaptableLayer;
use super::conv2d::Conv2d;
use super::visit_layers::VisitLayers;
use crate::nn::kernels::{Window, channels_first, channels_last};

/// Halves height and width by a convolution with stride 2.
#[derive(Module, Debug)]
pub struct Downsample2D {
    /// Kernel 3, stride 2.
    pub conv: Conv2d,
}

impl Downsample2D {
    /// Creates the layer with fresh weights; `padding` 0 means diffusers' one row below and one
    /// column to the right.
    pub fn new(channels: usize, padding: usize, device: &Device) -> Self {
        let window = Window {
            stride: 2,
            before: padding,
            after: padding.max(1),
        };
        Self {
            conv: Conv2d::new([channels, channels], 3, window, device),
        }
    }

    /// Halves `x`.
    ///
    /// # Shapes
    /// - x: `[batch, height, width, channels]`
    /// - output: `[batch, height / 2, width / 2, channels]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.conv.forward(x)
    }
}

/// Repeats every pixel, then convolves.
#[derive(Module, Debug)]
pub struct Upsample2D {
    /// Kernel 3.
    pub conv: Conv2d,
}

impl Upsample2D {
    /// Creates the layer with fresh weights.
    pub fn new(channels: usize, device: &Device) -> Self {
        Self {
            conv: Conv2d::same([channels, channels], 3, device),
        }
    }

    /// Enlarges `x` to `size`, height and width; by default to twice its own.
    ///
    /// A given size matters where halving had rounded up: only then does the result fit the skip
    /// connection.
    ///
    /// # Shapes
    /// - x: `[batch, height, width, channels]`
    /// - output: `[batch, size, channels]`
    pub fn forward(&self, x: Tensor<4>, size: Option<[usize; 2]>) -> Tensor<4> {
        let [batch, height, width, channels] = x.dims();
        let doubled = [2 * height, 2 * width];
        let size = size.unwrap_or(doubled);
        let enlarged = if size == doubled {
            x.reshape([batch * height, 1, width, 1, channels])
                .expand([batch * height, 2, width, 2, channels])
                .reshape([batch, size[0], size[1], channels])
        } else {
            let options = InterpolateOptions::new(InterpolateMode::Nearest).with_output_size(size);
            channels_last(interpolate(channels_first(x), options))
        };
        self.conv.forward(enlarged)
    }
}

impl VisitLayers for Downsample2D {
    fn visit_layers(&mut self, path: &str, visit: &mut dyn FnMut(&str, AdaptableLayer<'_>)) {
        self.conv.visit_layers(&format!("{path}.conv"), visit);
    }
}

impl VisitLayers for Upsample2D {
    fn visit_layers(&mut self, path: &str, visit: &mut dyn FnMut(&str, AdaptableLayer<'_>)) {
        self.conv.visit_layers(&format!("{path}.conv"), visit);
    }
}
