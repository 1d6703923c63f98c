//! A factor and a shift of each column.

#[cfg(feature = "kernels")]
pub(super) mod kernel;

use burn::tensor::Tensor;

/// Multiplies each column by a gain and adds a bias.
///
/// # Shapes
/// - x and output: `[rows, columns]`
/// - gain, bias: `[columns]`
pub fn column_affine(x: Tensor<2>, gain: Tensor<1>, bias: Option<Tensor<1>>) -> Tensor<2> {
    #[cfg(feature = "kernels")]
    {
        let (rows, factors) = (x.clone().into_dispatch(), gain.clone().into_dispatch());
        let output = match &bias {
            Some(bias) => {
                let inputs = [rows, factors, bias.clone().into_dispatch()];
                super::tape::apply(kernel::ColumnAffine, inputs)
            }
            None => super::tape::apply(kernel::ColumnAffine, [rows, factors]),
        };
        if let Some(output) = output {
            return output;
        }
    }
    composed(x, gain, bias)
}

pub(super) fn composed(x: Tensor<2>, gain: Tensor<1>, bias: Option<Tensor<1>>) -> Tensor<2> {
    let output = x * gain.unsqueeze();
    match bias {
        Some(bias) => output + bias.unsqueeze(),
        None => output,
    }
}
