//! Attention as BLIP needs it: to everything there is, or past padding. Scores and their softmax are f32 or wider.

use burn::tensor::{DType, Tensor, activation};
use mitune_diffusion::nn::kernels::{attention, join_heads, joined_attention, split_heads, sum_type};

/// Gathers values of all tokens there are.
///
/// # Shapes
/// - query: `[batch, tokens, features]`
/// - key, value: `[batch, context tokens, features]`
/// - output: `[batch, tokens, features]`
pub(super) fn attend([query, key, value]: [Tensor<3>; 3], heads: usize) -> Tensor<3> {
    let dtype = query.dtype();
    let [query, key, value] = [query, key, value].map(|x| widened(x, sum_type(dtype)));
    widened(attention(query, key, value, heads), dtype)
}

/// Gathers values of all tokens there are, of queries, keys and values from one product.
///
/// # Shapes
/// - joined: `[batch, tokens, 3 * features]`, queries first, then keys
/// - output: `[batch, tokens, features]`
pub(super) fn attend_to_each_other(joined: Tensor<3>, heads: usize) -> Tensor<3> {
    let dtype = joined.dtype();
    widened(joined_attention(widened(joined, sum_type(dtype)), heads), dtype)
}

/// Gathers values by scores to which `bias` is added, which is how padding is left out.
///
/// # Shapes
/// - query: `[batch, tokens, features]`
/// - key, value: `[batch, context tokens, features]`
/// - bias: `[batch, 1, 1, context tokens]`, f32
/// - output: `[batch, tokens, features]`
pub(super) fn attend_with_bias(
    [query, key, value]: [Tensor<3>; 3],
    heads: usize,
    bias: Tensor<4>,
) -> Tensor<3> {
    let dtype = query.dtype();
    let [query, key, value] = [query, key, value].map(|x| split_heads(widened(x, sum_type(dtype)), heads));
    let root = (query.dims()[3] as f64).sqrt();
    let scores = query.matmul(key.swap_dims(2, 3)).div_scalar(root) + bias;
    let gathered = activation::softmax(scores, 3).matmul(value);
    widened(join_heads(gathered), dtype)
}

fn widened(x: Tensor<3>, dtype: DType) -> Tensor<3> {
    match x.dtype() == dtype {
        true => x,
        false => x.cast(dtype),
    }
}
