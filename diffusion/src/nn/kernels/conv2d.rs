//! Two-dimensional convolution of images in `[batch, height, width, channels]` order.

#[cfg(feature = "kernels")]
pub(super) mod kernel;
#[cfg(feature = "kernels")]
mod padded;
#[cfg(feature = "kernels")]
mod patches;
#[cfg(feature = "kernels")]
mod sizes;
#[cfg(feature = "kernels")]
mod weight;

use burn::tensor::ops::ConvOptions;
use burn::tensor::{DType, Device, Tensor};

use super::{channels_first, channels_last};

/// Where a convolution's kernel is placed on the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Pixels from one place to the next, both ways.
    pub stride: usize,
    /// Zeros before the first row and before the first column.
    pub before: usize,
    /// Zeros after the last row and after the last column.
    pub after: usize,
}

/// Where a kernel of any height and width is placed on the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RectangularWindow {
    /// Pixels from one place to the next, both ways.
    pub stride: usize,
    /// Zeros before the first row and after the last one.
    pub rows: [usize; 2],
    /// Zeros before the first column and after the last one.
    pub columns: [usize; 2],
}

impl From<Window> for RectangularWindow {
    fn from(window: Window) -> Self {
        let margins = [window.before, window.after];
        Self {
            stride: window.stride,
            rows: margins,
            columns: margins,
        }
    }
}

/// Convolves `x` and adds a bias per image and channel.
///
/// # Shapes
/// - x: `[batch, height, width, in]`
/// - weight: `[out, in, kernel height, kernel width]`
/// - bias: `[batch, out]` or `[1, out]`
/// - output: `[batch, (height + before + after - kernel height) / stride + 1, .., out]`
pub fn conv2d(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Tensor<2>,
    window: impl Into<RectangularWindow>,
) -> Tensor<4> {
    let window = window.into();
    #[cfg(feature = "kernels")]
    {
        let inputs = [
            x.clone().into_dispatch(),
            weight.clone().into_dispatch(),
            bias.clone().into_dispatch(),
        ];
        if let Some(output) = super::tape::apply(kernel::Convolution(window), inputs) {
            return output;
        }
    }
    composed(x, weight, bias, window)
}

/// [`conv2d`] with what is below zero cut off, in place where no derivative is asked for.
///
/// # Shapes
/// Those of [`conv2d`].
pub fn conv2d_relu(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Tensor<2>,
    window: impl Into<RectangularWindow>,
) -> Tensor<4> {
    let window = window.into();
    #[cfg(feature = "kernels")]
    {
        let inputs = [
            x.clone().into_dispatch(),
            weight.clone().into_dispatch(),
            bias.clone().into_dispatch(),
        ];
        let convolution = kernel::Convolution(window);
        if let Some(output) = super::tape::apply_and_finish(convolution, inputs, kernel::cut_below_zero) {
            return output;
        }
    }
    burn::tensor::activation::relu(conv2d(x, weight, bias, window))
}

pub(super) fn composed(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Tensor<2>,
    window: impl Into<RectangularWindow>,
) -> Tensor<4> {
    let window = window.into();
    let dtype = x.dtype();
    if dtype == DType::F16 && sums_in_f16(&x.device()) {
        let output = composed(
            x.cast(DType::F32),
            weight.cast(DType::F32),
            bias.cast(DType::F32),
            window,
        );
        return output.cast(dtype);
    }
    let RectangularWindow {
        stride,
        rows,
        columns,
    } = window;
    let sides = [rows.into(), columns.into()];
    let options = ConvOptions::<2>::new_with_padding([stride, stride], sides, [1, 1], 1);
    let x = channels_first(x);
    let [images, out] = bias.dims();
    if images == 1 {
        let output = burn::tensor::module::conv2d(x, weight, Some(bias.reshape([out])), options);
        return channels_last(output);
    }
    let output = burn::tensor::module::conv2d(x, weight, None, options);
    channels_last(output) + bias.reshape([images, 1, 1, out])
}

/// Whether a device has no units that multiply f16 and add in f32.
///
/// Burn then adds the thousands of products behind each pixel in f16, which leaves an error of 0.7 % with 256 channels
/// where PyTorch's is 0.02 %. Devices that have such units have bf16 as well.
fn sums_in_f16(device: &Device) -> bool {
    !device.supports_dtype(DType::BF16)
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Tensor};

    use super::*;
    use crate::nn::weights::seeded_input;

    fn values_of<const D: usize>(x: Tensor<D>) -> Vec<f32> {
        x.into_data().try_to_vec().unwrap()
    }

    #[test]
    fn cutting_in_place_equals_cutting_afterwards() {
        let device = Device::flex();
        let window = Window {
            stride: 1,
            before: 1,
            after: 1,
        };
        let input = |name, shape| seeded_input::<4>(5, name, shape, &device);
        let (x, weight) = (input("x", [2, 13, 17, 5]), input("weight", [48, 5, 3, 3]));
        let bias = Tensor::<2>::zeros([1, 48], &device);
        let found = conv2d_relu(x.clone(), weight.clone(), bias.clone(), window);
        let expected = burn::tensor::activation::relu(conv2d(x, weight, bias, window));
        assert_eq!(found.into_data(), expected.into_data());
    }

    /// Values and derivatives, of kernels in one line as Inception has them and of others.
    #[test]
    fn kernels_of_any_height_and_width_equal_composed_operations() {
        let device = Device::flex().autodiff();
        for (kernel, stride, rows, columns) in [
            ([1, 7], 1, [0, 0], [3, 3]),
            ([7, 1], 1, [3, 3], [0, 0]),
            ([3, 1], 1, [1, 1], [0, 0]),
            ([2, 5], 2, [1, 0], [2, 1]),
        ] {
            let window = RectangularWindow {
                stride,
                rows,
                columns,
            };
            let input = |name, shape| {
                let values = seeded_input::<4>(3, name, shape, &Device::flex()).into_data();
                Tensor::<4>::from_data(values, &device).require_grad()
            };
            let run = |own: bool| {
                let x = input("x", [2, 9, 8, 5]);
                let weight = input("weight", [6, 5, kernel[0], kernel[1]]);
                let bias = Tensor::<2>::zeros([1, 6], &device);
                let output = match own {
                    true => conv2d(x.clone(), weight.clone(), bias, window),
                    false => composed(x.clone(), weight.clone(), bias, window),
                };
                let gradients = output.clone().square().sum().backward();
                [
                    values_of(output),
                    values_of(x.grad(&gradients).unwrap()),
                    values_of(weight.grad(&gradients).unwrap()),
                ]
            };
            for (found, expected) in run(true).into_iter().zip(run(false)) {
                let largest = expected.iter().fold(1.0_f32, |most, value| most.max(value.abs()));
                assert_eq!(found.len(), expected.len());
                for (found, expected) in found.into_iter().zip(expected) {
                    assert!((found - expected).abs() < 1e-5 * largest, "{window:?}");
                }
            }
        }
    }
}
