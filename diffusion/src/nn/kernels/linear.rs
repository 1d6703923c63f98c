//! The product of a linear layer.

#[cfg(feature = "kernels")]
pub(super) mod kernel;

use burn::tensor::Tensor;

use super::gelu::Activation;

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

/// [`linear`] followed by an activation, which changes the product in place where no derivative is asked for.
///
/// # Shapes
/// - x: `[rows, in]`
/// - weight: `[out, in]`
/// - bias: `[out]`
/// - output: `[rows, out]`
pub fn linear_activated(
    x: Tensor<2>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    activation: Activation,
) -> Tensor<2> {
    #[cfg(feature = "kernels")]
    {
        let (rows, columns) = (x.clone().into_dispatch(), weight.clone().into_dispatch());
        let finish = |values: &mut [f32]| activation.replace(values);
        let output = match &bias {
            Some(bias) => {
                let inputs = [rows, columns, bias.clone().into_dispatch()];
                super::tape::apply_and_finish(kernel::Linear, inputs, finish)
            }
            None => super::tape::apply_and_finish(kernel::Linear, [rows, columns], finish),
        };
        if let Some(output) = output {
            return output;
        }
    }
    let output = linear(x, weight, bias);
    let [rows, columns] = output.dims();
    let tokens = output.reshape([1, rows, columns]);
    activation.apply(tokens).reshape([rows, columns])
}

pub(super) fn composed(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
    burn::tensor::module::linear(x, weight.transpose(), bias)
}
