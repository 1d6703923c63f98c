//! Attention inside a denoiser, for guidance that looks into it.

use burn::tensor::Tensor;

/// How much each position of a layer attends to each token.
#[derive(Debug, Clone)]
pub struct AttentionMap {
    /// The name of the layer, as its weights are called in files.
    pub layer: String,
    /// What the layer attends to.
    pub kind: AttentionKind,
    /// Where in the network the layer is.
    pub place: AttentionPlace,
    /// Height and width of the image whose positions attend, row by row.
    pub size: [usize; 2],
    /// Probabilities over tokens, `[batch, heads, positions, tokens]`.
    pub probabilities: Tensor<4>,
}

/// What a layer attends to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttentionKind {
    /// The tokens of the prompt.
    CrossAttention,
    /// The positions of the image itself, which are its tokens.
    SelfAttention,
}

/// Where in a network a layer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttentionPlace {
    /// On the way to the lowest resolution.
    Down,
    /// At the lowest resolution.
    Middle,
    /// On the way back.
    Up,
}

impl AttentionMap {
    /// Takes the maps of `length` latents from `start` on.
    #[must_use]
    pub fn narrow(self, start: usize, length: usize) -> Self {
        self.map(|probabilities| probabilities.narrow(0, start, length))
    }

    /// Averages the probabilities over heads, `[batch, positions, tokens]`.
    pub fn mean_over_heads(&self) -> Tensor<3> {
        self.probabilities.clone().mean_dim(1).squeeze_dim(1)
    }

    /// Changes the probabilities and nothing else.
    #[must_use]
    pub(crate) fn map(self, change: impl FnOnce(Tensor<4>) -> Tensor<4>) -> Self {
        Self {
            probabilities: change(self.probabilities),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn heads_are_averaged_and_rows_taken() {
        let device = Device::flex();
        let values = [0.0, 1.0, 0.5, 0.5, 0.25, 0.75, 1.0, 0.0];
        let map = AttentionMap {
            layer: "attn2".to_owned(),
            kind: AttentionKind::CrossAttention,
            place: AttentionPlace::Middle,
            size: [1, 1],
            probabilities: Tensor::<1>::from_floats(values, &device).reshape([2, 2, 1, 2]),
        };
        let mean: Vec<f32> = map.mean_over_heads().try_into_vec_as().unwrap();
        assert_eq!(mean, [0.25, 0.75, 0.625, 0.375]);
        let second: Vec<f32> = map.narrow(1, 1).probabilities.try_into_vec_as().unwrap();
        assert_eq!(second, [0.25, 0.75, 1.0, 0.0]);
    }
}
