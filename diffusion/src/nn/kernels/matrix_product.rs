//! The product of two matrices.

#[cfg(feature = "kernels")]
pub(super) mod kernel;

use burn::tensor::Tensor;

/// Multiplies two matrices.
///
/// # Shapes
/// - left: `[rows, depth]`
/// - right: `[depth, columns]`
/// - output: `[rows, columns]`
pub fn matrix_product(left: Tensor<2>, right: Tensor<2>) -> Tensor<2> {
    #[cfg(feature = "kernels")]
    {
        let inputs = [left.clone().into_dispatch(), right.clone().into_dispatch()];
        if let Some(output) = super::tape::apply(kernel::MatrixProduct, inputs) {
            return output;
        }
    }
    composed(left, right)
}

pub(super) fn composed(left: Tensor<2>, right: Tensor<2>) -> Tensor<2> {
    left.matmul(right)
}
