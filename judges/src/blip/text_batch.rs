//! Token ids of several texts, side by side.

use burn::tensor::{DType, Device, Int, Tensor, TensorData};

/// Texts filled up to one length, and where the filling is.
#[derive(Debug, Clone)]
pub struct TextBatch {
    /// `[batch, tokens]`
    pub(super) ids: Tensor<2, Int>,
    /// What is added to the scores of each token, `[batch, 1, 1, tokens]`, f32.
    pub(super) bias: Tensor<4>,
}

/// What the original code adds to the scores of padding: its exponential is 0 in f32.
const LEFT_OUT: f32 = -10_000.0;

impl TextBatch {
    /// Fills token ids up to `length` with the token `padding`, which is left out of every attention; longer ones are
    /// cut off.
    pub fn new(texts: &[Vec<u32>], length: usize, padding: u32, device: &Device) -> Self {
        let filled = |text: &Vec<u32>| {
            let ids = text.iter().copied().chain(std::iter::repeat(padding));
            ids.take(length).map(|id| id as i32).collect::<Vec<_>>()
        };
        let bias = |text: &Vec<u32>| {
            let there = text.len();
            (0..length).map(move |index| if index < there { 0.0 } else { LEFT_OUT })
        };
        let ids: Vec<i32> = texts.iter().flat_map(filled).collect();
        let biases: Vec<f32> = texts.iter().flat_map(bias).collect();
        let (ids, biases) = (
            TensorData::new(ids, [texts.len(), length]),
            TensorData::new(biases, [texts.len(), 1, 1, length]),
        );
        Self {
            ids: Tensor::from_data(ids, (device, DType::I32)),
            bias: Tensor::from_data(biases, (device, DType::F32)),
        }
    }

    /// Number of texts.
    pub fn count(&self) -> usize {
        self.ids.dims()[0]
    }
}
