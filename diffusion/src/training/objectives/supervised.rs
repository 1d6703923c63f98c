//! Supervised fine-tuning: the denoising loss on items that somebody chose.

use burn::tensor::Tensor;

use super::item_errors::widened;
use crate::training::batch::PairBatch;
use crate::training::objective::{Objective, ObjectiveValue};
use crate::training::trainable_denoiser::TrainableDenoiser;

/// Fine-tuning on the preferred item of each pair, as Diffusion-DPO's code does with `--sft`: what shows how much of a
/// preference method is in the winners alone.
///
/// On items that are no pairs it is [`Denoising`](crate::training::Denoising).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SupervisedFineTuning;

impl<M: TrainableDenoiser> Objective<M> for SupervisedFineTuning {
    type Batch = PairBatch<M::Conditioning>;
    type Reference = ();

    fn evaluate(&self, denoiser: &M, (): &(), pairs: Self::Batch) -> ObjectiveValue {
        let winners = pairs.preferred;
        supervised_loss(winners.predict(denoiser), winners.noised.target).into()
    }
}

/// Mean squared error over all elements (Ho et al. 2020, equation 14), in f32, or in f64 where the prediction is.
///
/// # Shapes
/// - prediction and target: any, equal; output: one element
pub fn supervised_loss<const D: usize>(prediction: Tensor<D>, target: Tensor<D>) -> Tensor<1> {
    (widened(prediction) - widened(target)).square().mean()
}
