//! The gate of a feed-forward layer.

#[cfg(feature = "kernels")]
pub(super) mod kernel;

use burn::tensor::{Tensor, activation};

/// Multiplies the first half of the features by the GELU of the second half, `a * b Phi(b)`
/// (GLU Variants Improve Transformer, arXiv 2002.05202, equation 6).
///
/// # Shapes
/// - x: `[batch, tokens, 2 features]`
/// - output: `[batch, tokens, features]`
pub fn gated_gelu(x: Tensor<3>) -> Tensor<3> {
    #[cfg(feature = "kernels")]
    if let Some(output) = super::tape::apply(kernel::GatedGelu, [x.clone().into_dispatch()]) {
        return output;
    }
    composed(x)
}

pub(super) fn composed(x: Tensor<3>) -> Tensor<3> {
    let features = x.dims()[2] / 2;
    let value = x.clone().narrow(2, 0, features);
    value * activation::gelu(x.narrow(2, features, features))
}
