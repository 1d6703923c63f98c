//! Attention to everything there is, whose scores and softmax are f32 or wider whatever the network's numbers are.

use burn::tensor::{DType, Tensor};
use mitune_diffusion::nn::kernels::{attention, joined_attention, sum_type};

/// Gathers values of all tokens there are.
///
/// # Shapes
/// - query: `[batch, tokens, features]`
/// - key, value: `[batch, context tokens, features]`
/// - output: `[batch, tokens, features]`
pub(crate) fn attend([query, key, value]: [Tensor<3>; 3], heads: usize) -> Tensor<3> {
    let dtype = query.dtype();
    let [query, key, value] = [query, key, value].map(|x| widened(x, sum_type(dtype)));
    widened(attention(query, key, value, heads), dtype)
}

/// Gathers values of all tokens there are, of queries, keys and values from one product.
///
/// # Shapes
/// - joined: `[batch, tokens, 3 * features]`, queries first, then keys
/// - output: `[batch, tokens, features]`
pub(crate) fn attend_to_each_other(joined: Tensor<3>, heads: usize) -> Tensor<3> {
    let dtype = joined.dtype();
    widened(joined_attention(widened(joined, sum_type(dtype)), heads), dtype)
}

/// Casts where the type is another one.
pub(crate) fn widened(x: Tensor<3>, dtype: DType) -> Tensor<3> {
    match x.dtype() == dtype {
        true => x,
        false => x.cast(dtype),
    }
}
