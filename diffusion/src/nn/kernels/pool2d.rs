//! Pooling of images in `[batch, height, width, channels]` order by square windows.

#[cfg(feature = "kernels")]
pub(super) mod kernel;

#[cfg(feature = "kernels")]
use std::ops::Range;

use burn::tensor::Tensor;
use burn::tensor::ops::{AvgPoolOptions, MaxPoolOptions};

use super::{channels_first, channels_last};

/// What the pixels under a window become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    /// The largest of them.
    Maximum,
    /// The mean of those that lie within the image.
    Mean,
}

/// Where windows lie on the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolWindow {
    /// Height and width.
    pub size: usize,
    /// Pixels from one window to the next, both ways.
    pub stride: usize,
    /// How far windows reach over every edge of the image, at most half their size.
    pub padding: usize,
}

impl PoolWindow {
    /// Number of windows along a side of the image.
    pub fn places(&self, side: usize) -> usize {
        (side + 2 * self.padding - self.size) / self.stride + 1
    }

    /// The pixels of a side that lie under a window.
    #[cfg(feature = "kernels")]
    fn covered(&self, place: usize, side: usize) -> Range<usize> {
        let start = place * self.stride;
        start.saturating_sub(self.padding)..(start + self.size - self.padding).min(side)
    }
}

/// Pools each channel of each image.
///
/// # Shapes
/// - x: `[batch, height, width, channels]`
/// - output: `[batch, (height + 2 padding - size) / stride + 1, .., channels]`
pub fn pool2d(x: Tensor<4>, pooling: Pooling, window: PoolWindow) -> Tensor<4> {
    #[cfg(feature = "kernels")]
    {
        let kernel = kernel::Pool { pooling, window };
        if let Some(output) = super::tape::apply(kernel, [x.clone().into_dispatch()]) {
            return output;
        }
    }
    composed(x, pooling, window)
}

pub(super) fn composed(x: Tensor<4>, pooling: Pooling, window: PoolWindow) -> Tensor<4> {
    let PoolWindow {
        size,
        stride,
        padding,
    } = window;
    let x = channels_first(x);
    let pooled = match pooling {
        Pooling::Maximum => {
            let options = MaxPoolOptions::new([size, size])
                .with_stride([stride, stride])
                .with_padding([padding, padding]);
            burn::tensor::module::max_pool2d(x, options)
        }
        Pooling::Mean => {
            let mut options = AvgPoolOptions::new([size, size])
                .with_stride([stride, stride])
                .with_padding([padding, padding]);
            options.count_include_pad = false;
            burn::tensor::module::avg_pool2d(x, options)
        }
    };
    channels_last(pooled)
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Tensor};

    use super::*;
    use crate::nn::weights::seeded_input;

    fn values_of(x: Tensor<4>) -> Vec<f32> {
        x.into_data().try_to_vec().unwrap()
    }

    const WINDOWS: [(usize, usize, usize); 4] = [(3, 2, 0), (3, 1, 1), (2, 2, 1), (5, 3, 2)];

    #[test]
    fn the_kernel_equals_composed_operations() {
        let x: Tensor<4> = seeded_input(1, "x", [2, 7, 5, 6], &Device::flex());
        for (size, stride, padding) in WINDOWS {
            let window = PoolWindow {
                size,
                stride,
                padding,
            };
            for pooling in [Pooling::Maximum, Pooling::Mean] {
                let (found, expected) = (
                    pool2d(x.clone(), pooling, window),
                    composed(x.clone(), pooling, window),
                );
                assert_eq!(found.dims(), [2, window.places(7), window.places(5), 6]);
                for (found, expected) in values_of(found).into_iter().zip(values_of(expected)) {
                    assert!((found - expected).abs() < 1e-6, "{pooling:?} {window:?}");
                }
            }
        }
    }

    #[test]
    fn derivatives_equal_those_of_composed_operations() {
        let device = Device::flex().autodiff();
        let x: Tensor<4> = seeded_input(2, "x", [2, 6, 7, 3], &Device::flex());
        for (size, stride, padding) in WINDOWS {
            let window = PoolWindow {
                size,
                stride,
                padding,
            };
            for pooling in [Pooling::Maximum, Pooling::Mean] {
                let gradient = |pool: fn(Tensor<4>, Pooling, PoolWindow) -> Tensor<4>| {
                    let x = Tensor::<4>::from_data(x.clone().into_data(), &device).require_grad();
                    let gradients = pool(x.clone(), pooling, window).square().sum().backward();
                    values_of(x.grad(&gradients).unwrap())
                };
                for (found, expected) in gradient(pool2d).into_iter().zip(gradient(composed)) {
                    assert!((found - expected).abs() < 1e-5, "{pooling:?} {window:?}");
                }
            }
        }
    }
}
