//! The weight of a convolution in the order that products read, channels next to each other.

use burn::tensor::Shape;
use burn_flex::FlexTensor;

use crate::nn::kernels::slices::{dims, tensor};

/// A weight `[out, in, height, width]` seen as `[out, height, width, in]`.
pub(super) fn channels_last(weight: &FlexTensor) -> FlexTensor {
    weight.permute(&[0, 2, 3, 1])
}

/// `[out, height * width * in]` of a weight `[out, in, height, width]`, without a copy where its channels lie next to
/// each other.
pub(super) fn as_matrix(weight: &FlexTensor) -> FlexTensor {
    let [out, channels, height, width] = dims(weight);
    let matrix = channels_last(weight).to_contiguous();
    matrix.reshape(Shape::from([out, height * width * channels]))
}

/// The weight `[out, in, height, width]` of a matrix `[out, height * width * in]`.
pub(super) fn as_weight(matrix: Vec<f32>, [out, channels, height, width]: [usize; 4]) -> FlexTensor {
    tensor(matrix, [out, height, width, channels]).permute(&[0, 3, 1, 2])
}
