//! Layer normalisation of tokens.

#[cfg(feature = "kernels")]
pub(super) mod kernel;

use burn::tensor::Tensor;

use super::sum_type;

/// Brings each token to mean 0 and variance 1, then scales and shifts each feature. All of it is
/// computed in f32 whatever the element type, in f64 only for f64.
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
    let dtype = x.dtype();
    let wide = sum_type(dtype);
    let [weight, bias] = [weight, bias].map(|values| values.cast(wide));
    burn::tensor::module::layer_norm(x.cast(wide), weight, Some(bias), epsilon).cast(dtype)
}
