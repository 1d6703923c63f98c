//! Attention past padding. Scores and their softmax are f32 or wider.

use burn::tensor::{Tensor, activation};
use mitune_diffusion::nn::kernels::{join_heads, split_heads, sum_type};

use crate::wide_attention::widened;

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
