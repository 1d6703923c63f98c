//! Attention with several heads.

#[cfg(feature = "kernels")]
mod backward;
#[cfg(feature = "kernels")]
mod forward;
#[cfg(feature = "kernels")]
pub(super) mod kernel;
#[cfg(feature = "kernels")]
mod sizes;

use burn::tensor::Tensor;
use burn::tensor::ops::AttentionModuleOptions;

use super::heads::{join_heads, split_heads};

/// Gathers values by similarity of query and key, `softmax(Q K^T / sqrt(d)) V` per head
/// (Attention Is All You Need, arXiv 1706.03762, equation 1).
///
/// # Shapes
/// - query: `[batch, tokens, heads * d]`
/// - key, value: `[batch, context tokens, heads * d]`
/// - output: `[batch, tokens, heads * d]`
pub fn attention(query: Tensor<3>, key: Tensor<3>, value: Tensor<3>, heads: usize) -> Tensor<3> {
    #[cfg(feature = "kernels")]
    {
        let inputs = [
            query.clone().into_dispatch(),
            key.clone().into_dispatch(),
            value.clone().into_dispatch(),
        ];
        if let Some(output) = super::tape::apply(kernel::Attention { heads }, inputs) {
            return output;
        }
    }
    composed(query, key, value, heads)
}

pub(super) fn composed(query: Tensor<3>, key: Tensor<3>, value: Tensor<3>, heads: usize) -> Tensor<3> {
    let split = |x| split_heads(x, heads);
    let options = AttentionModuleOptions::default();
    let gathered =
        burn::tensor::module::attention(split(query), split(key), split(value), None, None, options);
    join_heads(gathered)
}
