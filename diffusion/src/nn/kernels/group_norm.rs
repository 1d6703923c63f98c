//! Group normalisation of images in `[batch, height, width, channels]` order, with or without
//! SiLU.

#[cfg(feature = "kernels")]
pub(super) mod kernel;
#[cfg(feature = "kernels")]
mod passes;

use burn::tensor::{Tensor, activation};

use super::{channels_first, channels_last, sum_type};

/// What a group norm is besides its weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GroupNormOptions {
    /// Number of groups, a divisor of the channels.
    pub groups: usize,
    /// Added to the variance.
    pub epsilon: f64,
    /// Whether `x sigmoid(x)` is applied to the result.
    pub silu: bool,
}

/// Brings each group of channels of each image to mean 0 and variance 1, then scales and shifts
/// each channel. All of it is computed in f32 whatever the element type, in f64 only for f64.
///
/// # Shapes
/// - x and output: `[batch, height, width, channels]`
/// - weight, bias: `[channels]`
pub fn group_norm(x: Tensor<4>, weight: Tensor<1>, bias: Tensor<1>, options: GroupNormOptions) -> Tensor<4> {
    #[cfg(feature = "kernels")]
    {
        let inputs = [
            x.clone().into_dispatch(),
            weight.clone().into_dispatch(),
            bias.clone().into_dispatch(),
        ];
        if let Some(output) = super::tape::apply(kernel::GroupNorm(options), inputs) {
            return output;
        }
    }
    composed(x, weight, bias, options)
}

pub(super) fn composed(
    x: Tensor<4>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    options: GroupNormOptions,
) -> Tensor<4> {
    let [batch, height, width, channels] = x.dims();
    let dtype = x.dtype();
    let wide = sum_type(dtype);
    let size = channels / options.groups * height * width;
    let groups = channels_first(x)
        .reshape([batch, options.groups, size])
        .cast(wide);
    let centred = groups.clone() - groups.mean_dim(2);
    let variance = centred.clone().square().mean_dim(2);
    let normalised = centred / (variance + options.epsilon).sqrt();
    let normalised = channels_last(normalised.reshape([batch, channels, height, width]));
    let per_channel = |values: Tensor<1>| values.cast(wide).reshape([1, 1, 1, channels]);
    let output = normalised * per_channel(weight) + per_channel(bias);
    // Rounded once, at the end.
    let output = match options.silu {
        true => activation::silu(output),
        false => output,
    };
    output.cast(dtype)
}
