//! Tokens cut into heads, and put together again.

use burn::tensor::Tensor;

/// Cuts the features of each token into heads, and moves the heads before the tokens.
///
/// # Shapes
/// - x: `[batch, tokens, heads * d]`
/// - output: `[batch, heads, tokens, d]`
pub fn split_heads(x: Tensor<3>, heads: usize) -> Tensor<4> {
    let [batch, tokens, features] = x.dims();
    x.reshape([batch, tokens, heads, features / heads])
        .swap_dims(1, 2)
}

/// Puts the heads of each token together again.
///
/// # Shapes
/// - x: `[batch, heads, tokens, d]`
/// - output: `[batch, tokens, heads * d]`
pub fn join_heads(x: Tensor<4>) -> Tensor<3> {
    let [batch, heads, tokens, features] = x.dims();
    x.swap_dims(1, 2).reshape([batch, tokens, heads * features])
}
