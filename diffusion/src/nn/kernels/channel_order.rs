//! Images from diffusers' order of dimensions to that of the networks, and back.
//!
//! An image of one pixel or one channel is reshaped, not permuted. Both give the same values, but permuting leaves a
//! stride of 1 on a dimension of size 1, and of such a tensor Burn 0.22.1's fuser of element-wise operations reads wrong
//! values on graphics cards: `silu(permuted * other)` is not what it is without fusion. No tensor without such a
//! dimension is concerned (3,000 random shapes and orders). The derivative of a permutation is one too, hence both ways
//! reshape in both cases.

use burn::tensor::Tensor;

/// Moves the channels of images to the end.
///
/// # Shapes
/// - x: `[batch, channels, height, width]`
/// - output: `[batch, height, width, channels]`
pub fn channels_last(x: Tensor<4>) -> Tensor<4> {
    let [batch, channels, height, width] = x.dims();
    match channels == 1 || height * width == 1 {
        true => x.reshape([batch, height, width, channels]),
        false => x.permute([0, 2, 3, 1]),
    }
}

/// Moves the channels of images before height and width.
///
/// # Shapes
/// - x: `[batch, height, width, channels]`
/// - output: `[batch, channels, height, width]`
pub fn channels_first(x: Tensor<4>) -> Tensor<4> {
    let [batch, height, width, channels] = x.dims();
    match channels == 1 || height * width == 1 {
        true => x.reshape([batch, channels, height, width]),
        false => x.permute([0, 3, 1, 2]),
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Tensor};

    use super::{channels_first, channels_last};

    /// An iterator over images whose sizes are 1 in every combination.
    fn images() -> impl Iterator<Item = Tensor<4>> {
        (0..16).map(|ones| {
            let shape: [usize; 4] = std::array::from_fn(|dim| match ones >> dim & 1 {
                1 => 1,
                _ => dim + 2,
            });
            let values = shape.iter().product::<usize>() as i64;
            Tensor::arange(0..values, &Device::flex()).float().reshape(shape)
        })
    }

    #[test]
    fn both_are_permutations_for_every_shape() {
        for image in images() {
            let last = channels_last(image.clone());
            assert_eq!(last.into_data(), image.clone().permute([0, 2, 3, 1]).into_data());
            let first = channels_first(image.clone());
            assert_eq!(first.into_data(), image.permute([0, 3, 1, 2]).into_data());
        }
    }
}
