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

/// Convolves `x` and adds a bias per image and channel.
///
/// # Shapes
/// - x: `[batch, height, width, in]`
/// - weight: `[out, in, kernel, kernel]`
/// - bias: `[batch, out]` or `[1, out]`
/// - output: `[batch, (height + before + after - kernel) / stride + 1, .., out]`
pub fn conv2d(x: Tensor<4>, weight: Tensor<4>, bias: Tensor<2>, window: Window) -> Tensor<4> {
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

pub(super) fn composed(x: Tensor<4>, weight: Tensor<4>, bias: Tensor<2>, window: Window) -> Tensor<4> {
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
    let Window {
        stride,
        before,
        after,
    } = window;
    let sides = [(before, after), (before, after)];
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
