//! Lengths of the rows of a changed weight.

#[cfg(feature = "kernels")]
pub(super) mod kernel;

use burn::tensor::Tensor;

use super::low_rank::LowRank;
use super::matrix_product;

/// Length of every row of `W + s B A`, outside any gradient.
///
/// # Shapes
/// - weight: `[out, in]`
/// - output: `[out]`
pub fn row_norms(weight: Tensor<2>, change: LowRank) -> Tensor<1> {
    let (weight, down, up) = (weight.inner(), change.down.inner(), change.up.inner());
    #[cfg(feature = "kernels")]
    {
        let inputs = [&weight, &down, &up].map(|x| x.clone().into_dispatch());
        let kernel = kernel::RowNorms {
            scale: change.scale as f32,
        };
        if let Some(output) = super::tape::apply(kernel, inputs) {
            return output;
        }
    }
    composed(weight, down * change.scale, up)
}

pub(super) fn composed(weight: Tensor<2>, scaled_down: Tensor<2>, up: Tensor<2>) -> Tensor<1> {
    let direction = weight + matrix_product(up, scaled_down);
    direction.square().sum_dim(1).sqrt().squeeze_dim(1)
}
