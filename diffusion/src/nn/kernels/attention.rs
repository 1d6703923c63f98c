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

/// [`attention`] of tokens to each other, of queries, keys and values that come from one product: they are read where
/// they lie, where no derivative is asked for.
///
/// # Shapes
/// - joined: `[batch, tokens, 3 * heads * d]`, queries first, then keys
/// - output: `[batch, tokens, heads * d]`
pub fn joined_attention(joined: Tensor<3>, heads: usize) -> Tensor<3> {
    #[cfg(feature = "kernels")]
    if let Some(values) = super::tape::untracked(joined.clone().into_dispatch()) {
        return super::tape::of_values(kernel::attend_joined(&values.to_contiguous(), heads));
    }
    let features = joined.dims()[2] / 3;
    let part = |index: usize| joined.clone().narrow(2, index * features, features);
    attention(part(0), part(1), part(2), heads)
}

pub(super) fn composed(query: Tensor<3>, key: Tensor<3>, value: Tensor<3>, heads: usize) -> Tensor<3> {
    let split = |x| split_heads(x, heads);
    let options = AttentionModuleOptions::default();
    let gathered =
        burn::tensor::module::attention(split(query), split(key), split(value), None, None, options);
    join_heads(gathered)
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::nn::weights::seeded_input;

    /// One tile and several, of one sequence and several.
    #[test]
    fn what_lies_side_by_side_is_read_as_what_lies_apart() {
        for [batch, tokens] in [[1, 1], [3, 5], [2, 150], [1, 50]] {
            let joined: Tensor<3> = seeded_input(9, "joined", [batch, tokens, 3 * 480], &Device::flex());
            let part = |index: usize| joined.clone().narrow(2, index * 480, 480);
            let expected = attention(part(0), part(1), part(2), 6);
            assert_eq!(
                joined_attention(joined.clone(), 6).into_data(),
                expected.into_data()
            );
        }
    }

    /// A single block of queries is shared out among threads; the same sequence among others is not.
    #[cfg(feature = "kernels")]
    #[test]
    fn a_sequence_alone_attends_as_among_others() {
        let part = |name| seeded_input::<3>(4, name, [65, 50, 480], &Device::flex());
        let [query, key, value] = ["query", "key", "value"].map(part);
        let one = |x: &Tensor<3>| x.clone().narrow(0, 7, 1);
        let alone = attention(one(&query), one(&key), one(&value), 6);
        let among = attention(query, key, value, 6).narrow(0, 7, 1);
        assert_eq!(alone.into_data(), among.into_data());
    }
}
