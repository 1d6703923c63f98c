//! A linear layer with a low-rank change.

#[cfg(feature = "kernels")]
pub(super) mod kernel;

use burn::tensor::Tensor;

use super::linear;

/// The factors of a low-rank change of a weight, `s B A`.
#[derive(Clone, Debug)]
pub struct LowRank {
    /// A, `[rank, in]`.
    pub down: Tensor<2>,
    /// B, `[out, rank]`.
    pub up: Tensor<2>,
    /// s.
    pub scale: f64,
}

/// Multiplies rows by a weight and its low-rank change and adds a bias, `y = x W^T + s x A^T B^T + b`
/// (LoRA, arXiv 2106.09685, equation 3).
///
/// # Shapes
/// - x: `[rows, in]`
/// - weight: `[out, in]`
/// - bias: `[out]`
/// - output: `[rows, out]`
pub fn low_rank_linear(
    x: Tensor<2>,
    weight: Tensor<2>,
    change: LowRank,
    bias: Option<Tensor<1>>,
) -> Tensor<2> {
    #[cfg(feature = "kernels")]
    {
        let [rows, columns, down, up] =
            [&x, &weight, &change.down, &change.up].map(|x| x.clone().into_dispatch());
        let kernel = kernel::LowRankLinear {
            scale: change.scale as f32,
        };
        let output = match &bias {
            Some(bias) => super::tape::apply(kernel, [rows, columns, down, up, bias.clone().into_dispatch()]),
            None => super::tape::apply(kernel, [rows, columns, down, up]),
        };
        if let Some(output) = output {
            return output;
        }
    }
    composed(x, weight, change, bias)
}

pub(super) fn composed(
    x: Tensor<2>,
    weight: Tensor<2>,
    change: LowRank,
    bias: Option<Tensor<1>>,
) -> Tensor<2> {
    let LowRank { down, up, scale } = change;
    let hidden = linear(x.clone(), down, None);
    let hidden = if scale == 1.0 { hidden } else { hidden * scale };
    linear(x, weight, bias) + linear(hidden, up, None)
}
