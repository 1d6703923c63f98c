//! Layer normalisation of tokens.

#[cfg(feature = "kernels")]
pub(super) mod kernel;

use burn::tensor::Tensor;

/// Brings each token to mean 0 and variance 1, then scales and shifts each feature.
///
/// # Shapes
/// - x and output: `[batch, tokens, features]`
/// - weight, bias: `[features]`
pub fn layer_norm(x: Tensor<3>, weight: Tensor<1>, bias: Tensor<1>, epsilon: f64) -> Tensor<3> {
    #[cfg(feature = "kernels")]
    {
        let inputs = [
            x.clone().into_dispatch(),
            weight.clone().into_dispatch(),
            bias.clone().into_dispatch(),
        ];
        let kernel = kernel::LayerNorm {
            epsilon: epsilon as f32,
        };
        if let Some(output) = super::tape::apply(kernel, inputs) {
            return output;
        }
    }
    composed(x, weight, bias, epsilon)
}

pub(super) fn composed(x: Tensor<3>, weight: Tensor<1>, bias: Tensor<1>, epsilon: f64) -> Tensor<3> {
    burn::tensor::module::layer_norm(x, weight, Some(bias), epsilon)
}
