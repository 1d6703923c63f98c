//! The weight of a convolution in the order that products read, channels next to each other.

use burn::tensor::Shape;
use burn_flex::FlexTensor;

use crate::nn::kernels::slices::{dims, tensor};

/// A weight `[out, in, kernel, kernel]` seen as `[out, kernel, kernel, in]`.
pub(super) fn channels_last(weight: &FlexTensor) -> FlexTensor {
    weight.permute(&[0, 2, 3, 1])
}

/// `[out, kernel * kernel * in]` of a weight `[out, in, kernel, kernel]`, without a copy where its channels lie next to
/// each other.
pub(super) fn as_matrix(weight: &FlexTensor) -> FlexTensor {
    let [out, channels, kernel, _] = dims(weight);
    let matrix = channels_last(weight).to_contiguous();
    matrix.reshape(Shape::from([out, kernel * kernel * channels]))
}

/// The weight `[out, in, kernel, kernel]` of a matrix `[out, kernel * kernel * in]`.
pub(super) fn as_weight(matrix: Vec<f32>, [out, channels, height, width]: [usize; 4]) -> FlexTensor {
    tensor(matrix, [out, height, width, channels]).permute(&[0, 3, 1, 2])
}
