//! Errors of items, and means over their elements.

use burn::tensor::Tensor;

use crate::nn::kernels::sum_type;

/// Mean squared error of each item, in f32, or in f64 where the prediction is.
///
/// # Shapes
/// - prediction and target: `[batch, channels, height, width]`; output: `[batch]`
pub fn item_errors(prediction: Tensor<4>, target: Tensor<4>) -> Tensor<1> {
    item_means((widened(prediction) - widened(target)).square())
}

/// Mean over the elements of each item, `[batch]`.
pub(super) fn item_means(values: Tensor<4>) -> Tensor<1> {
    let [batch, ..] = values.dims();
    let rows: Tensor<2> = values.flatten(1, 3);
    rows.mean_dim(1).reshape([batch])
}

/// The tensor in the type that sums are taken in.
pub(super) fn widened<const D: usize>(tensor: Tensor<D>) -> Tensor<D> {
    let wide = sum_type(tensor.dtype());
    tensor.cast(wide)
}
