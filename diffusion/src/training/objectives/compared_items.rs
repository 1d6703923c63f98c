//! What the trained network and the frozen reference predict for the same items.

use burn::tensor::Tensor;

use super::item_errors::{item_means, widened};
use crate::training::batch::{ConditionedBatch, PairBatch};
use crate::training::trainable_denoiser::TrainableDenoiser;

/// Predictions of two networks for the same noised items, all of shape `[batch, channels, height, width]`.
#[derive(Debug, Clone)]
pub struct ComparedItems {
    /// Predictions of the network that is trained.
    pub prediction: Tensor<4>,
    /// Predictions of the frozen reference, without gradient.
    pub reference: Tensor<4>,
    /// What both should predict.
    pub target: Tensor<4>,
}

impl ComparedItems {
    /// Asks both networks.
    pub fn of<M: TrainableDenoiser>(
        items: &ConditionedBatch<M::Conditioning>,
        denoiser: &M,
        reference: &M,
    ) -> Self {
        Self {
            prediction: items.predict(denoiser),
            reference: items.predict(reference).detach(),
            target: items.noised.target.clone(),
        }
    }

    /// Asks both networks for the preferred and the rejected items of pairs.
    pub fn of_pairs<M: TrainableDenoiser>(
        pairs: &PairBatch<M::Conditioning>,
        denoiser: &M,
        reference: &M,
    ) -> [Self; 2] {
        [&pairs.preferred, &pairs.rejected].map(|items| Self::of(items, denoiser, reference))
    }

    /// How much larger the mean squared error of each item is than that of the reference.
    ///
    /// The difference of two squares is taken as the product of sum and difference: two errors near one that differ by
    /// 1e-4 would leave three digits in f32, and a `beta` of thousands multiplies what is left.
    ///
    /// # Shapes
    /// - output: `[batch]`, in f32, or in f64 where the prediction is
    pub fn error_changes(self) -> Tensor<1> {
        let prediction = widened(self.prediction);
        let (reference, target) = (widened(self.reference), widened(self.target));
        let sum = prediction.clone() + reference.clone() - target * 2.0;
        item_means((prediction - reference) * sum)
    }
}
