//! The product of a linear layer.

#[cfg(feature = "kernels")]
pub(super) mod kernel;

use burn::tensor::Tensor;

/// Multiplies rows by a weight and adds a bias, `y = x W^T + b`.
///
/// # Shapes
/// - x: `[rows, in]`
/// - weight: `[out, in]`
/// - bias: `[out]`
/// - output: `[rows, out]`
pub fn linear(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
    #[cfg(feature = "kernels")]
    {
        let (rows, columns) = (x.clone().into_dispatch(), weight.clone().into_dispatch());
        let output = match &bias {
            Some(bias) => {
                let inputs = [rows, columns, bias.clone().into_dispatch()];
                super::tape::apply(kernel::Linear, inputs)
            }
            None => super::tape::apply(kernel::Linear, [rows, columns]),
        };
        if let Some(output) = output {
            return output;
        }
    }
    composed(x, weight, bias)
}

pub(super) fn composed(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
    burn::tensor::module::linear(x, weight.transpose(), bias)
}
