//! Batches of the common objectives: noised items, alone, weighted or in pairs, with what the denoiser is told about
//! them.

use burn::tensor::Tensor;

use super::denoising::DenoisingBatch;
use super::trainable_denoiser::TrainableDenoiser;
use crate::prediction::PredictionType;
use crate::schedule::{NoiseSchedule, ScheduleError};

/// Noised items with their prompts.
#[derive(Debug, Clone)]
pub struct ConditionedBatch<C> {
    /// The items.
    pub noised: DenoisingBatch,
    /// One row per item.
    pub conditioning: C,
}

impl<C: Clone> ConditionedBatch<C> {
    /// What a denoiser predicts, see [`DenoisingBatch::predict`].
    pub fn predict<M: TrainableDenoiser<Conditioning = C>>(&self, denoiser: &M) -> Tensor<4> {
        self.noised.predict(denoiser, self.conditioning.clone())
    }

    /// Mean squared error of each item, `[batch]`, see [`DenoisingBatch::errors`].
    pub fn errors<M: TrainableDenoiser<Conditioning = C>>(&self, denoiser: &M) -> Tensor<1> {
        self.noised.errors(self.predict(denoiser))
    }
}

/// Noised items that count more or less.
#[derive(Debug, Clone)]
pub struct WeightedBatch<C> {
    /// The items.
    pub items: ConditionedBatch<C>,
    /// How much each counts, `[batch]`.
    pub weights: Tensor<1>,
}

/// Pairs of a preferred and a rejected item of one prompt.
#[derive(Debug, Clone)]
pub struct PairBatch<C> {
    /// The preferred item of each pair.
    pub preferred: ConditionedBatch<C>,
    /// The rejected item of each pair.
    pub rejected: ConditionedBatch<C>,
}

/// Pairs whose preferred items are compared with the rejected ones of all pairs of the batch.
#[derive(Debug, Clone)]
pub struct ContrastedPairBatch<C> {
    /// The pairs.
    pub pairs: PairBatch<C>,
    /// What the preferred and the rejected items look like beside their prompts, each `[batch, features]`.
    pub features: [Tensor<2>; 2],
}

impl<C: Clone> PairBatch<C> {
    /// Noises both items of a pair to one timestep with one noise, so that their errors differ by the items alone.
    ///
    /// # Shapes
    /// As for [`DenoisingBatch::new`]; conditioning has one row per pair.
    ///
    /// # Errors
    /// A timestep outside the schedule.
    ///
    /// # Panics
    /// As [`DenoisingBatch::new`].
    pub fn new(
        [preferred, rejected]: [Tensor<4>; 2],
        noise: Tensor<4>,
        timesteps: &[usize],
        schedule: &NoiseSchedule,
        prediction: PredictionType,
        conditioning: C,
    ) -> Result<Self, ScheduleError> {
        let noised = |latents| -> Result<_, ScheduleError> {
            let noised = DenoisingBatch::new(latents, noise.clone(), timesteps, schedule, prediction)?;
            Ok(ConditionedBatch {
                noised,
                conditioning: conditioning.clone(),
            })
        };
        Ok(Self {
            preferred: noised(preferred)?,
            rejected: noised(rejected)?,
        })
    }
}
