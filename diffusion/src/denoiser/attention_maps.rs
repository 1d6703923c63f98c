//! Attention to the conditioning, for guidance that looks into it.

use burn::tensor::Tensor;

/// How much each position of a layer attends to each token.
#[derive(Debug, Clone)]
pub struct AttentionMap {
    /// The name of the layer, as its weights are called in files.
    pub layer: String,
    /// Probabilities over tokens, `[batch, heads, positions, tokens]`.
    pub probabilities: Tensor<4>,
}

impl AttentionMap {
    /// Takes the maps of `length` latents from `start` on.
    #[must_use]
    pub fn narrow(self, start: usize, length: usize) -> Self {
        Self {
            probabilities: self.probabilities.narrow(0, start, length),
            ..self
        }
    }
}
