//! The objective of Ho et al. 2020: predict what was done to the latents.

use super::batch::ConditionedBatch;
use super::objective::{Objective, ObjectiveValue};
use super::trainable_denoiser::TrainableDenoiser;

/// Mean squared error of the prediction (Ho et al. 2020, equation 14), every item alike.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Denoising;

impl<M: TrainableDenoiser> Objective<M> for Denoising {
    type Batch = ConditionedBatch<M::Conditioning>;
    type Reference = ();

    fn evaluate(&self, denoiser: &M, (): &(), batch: Self::Batch) -> ObjectiveValue {
        let prediction = batch.noised.predict(denoiser, batch.conditioning);
        batch.noised.loss(prediction).into()
    }
}
