//! Making the batches of a training: which examples, at which timesteps, under which noise.
//!
//! All of it follows from the seed and the positions in the training, so that an interrupted training has nothing to
//! remember but how far it was.

use std::ops::Range;

use burn::tensor::{DType, Device, Tensor, TensorData};
use mitune_diffusion::prediction::PredictionType;
use mitune_diffusion::schedule::NoiseSchedule;
use mitune_diffusion::training::{ConditionedBatch, DenoisingBatch, Draws};

use super::TimestepRange;
use super::contexts::{BucketContexts, Contexts};
use super::examples::{Example, Examples, ExamplesError};
use super::prompt_rows::PromptRows;
use super::walk::Walk;
use crate::tables::latent_rows::Latent;

/// Makes the micro-batches of a training.
pub(super) struct Batches<'a, E, C> {
    pub(super) examples: &'a Examples<E>,
    pub(super) contexts: &'a Contexts<C>,
    pub(super) walk: &'a Walk,
    pub(super) noising: &'a Noising,
    /// Examples of an update, a multiple of those of a micro-batch.
    pub(super) batch_size: u64,
}

/// How examples are noised.
pub(super) struct Noising {
    pub(super) draws: Draws,
    pub(super) timesteps: Range<usize>,
    pub(super) caption_dropout: f64,
    pub(super) schedule: NoiseSchedule,
    pub(super) prediction: PredictionType,
    /// Device with gradients.
    pub(super) device: Device,
}

/// What is random in a micro-batch, and what its prompts are encoded to.
///
/// Both items of a pair take it from here, so that they have one noise and timestep, and lose their prompt together.
pub(super) struct DrawnBatch<'a, C> {
    shape: [usize; 3],
    noise: Tensor<4>,
    timesteps: Vec<usize>,
    dropped: Vec<bool>,
    contexts: &'a BucketContexts<C>,
    noising: &'a Noising,
}

impl<E: Example, C: PromptRows> Batches<'_, E, C> {
    /// The micro-batches of update number `step`, from the examples at its positions.
    pub(super) fn of_update(&self, step: u64) -> impl Iterator<Item = E::Batch<C>> {
        let each = self.batch_size / self.walk.together();
        (step * each..(step + 1) * each).map(move |number| self.micro_batch(number))
    }

    fn micro_batch(&self, number: u64) -> E::Batch<C> {
        let turn = self.walk.turn(number);
        let first = number * self.walk.together();
        let shape = self.walk.buckets().shapes()[turn.bucket];
        let contexts = self.contexts.of_bucket(turn.bucket);
        let drawn = self
            .noising
            .draw(first..first + self.walk.together(), shape, contexts);
        let items = &self.examples.items;
        let chosen: Vec<&E> = turn.examples.into_iter().map(|example| &items[example]).collect();
        E::batch(&chosen, &drawn)
    }
}

impl Noising {
    /// The timesteps of a setting, if the schedule has them.
    pub(super) fn timesteps(
        range: TimestepRange,
        schedule: &NoiseSchedule,
    ) -> Result<Range<usize>, ExamplesError> {
        match schedule.len() {
            length if range.last < length => Ok(range.first..range.last + 1),
            length => Err(ExamplesError::Timesteps {
                last: range.last,
                end: length.saturating_sub(1),
            }),
        }
    }

    /// Draws for the examples at these positions of the training.
    fn draw<'a, C>(
        &'a self,
        positions: Range<u64>,
        shape: [usize; 3],
        contexts: &'a BucketContexts<C>,
    ) -> DrawnBatch<'a, C> {
        let elements: usize = shape.iter().product();
        let noise = self.draws.noise(positions.clone(), elements);
        DrawnBatch {
            shape,
            noise: self.latents(noise, shape),
            timesteps: self.draws.timesteps(positions.clone(), self.timesteps.clone()),
            dropped: self.draws.dropped(positions, self.caption_dropout),
            contexts,
            noising: self,
        }
    }

    /// Numbers of latents of one shape, one latent after the other.
    fn latents(&self, values: Vec<f32>, [channels, height, width]: [usize; 3]) -> Tensor<4> {
        let count = values.len() / (channels * height * width).max(1);
        let data = TensorData::new(values, [count, channels, height, width]);
        Tensor::from_data(data, (&self.device, DType::F32))
    }
}

impl<C: PromptRows> DrawnBatch<'_, C> {
    /// What the network is told, from the place of the prompt of each example.
    pub(super) fn conditioning(&self, prompts: impl Iterator<Item = usize>) -> C {
        let contexts = prompts
            .zip(&self.dropped)
            .map(|(place, dropped)| self.contexts.of(place, *dropped));
        C::under_each_other(contexts.collect())
    }

    /// The latents of the examples, noised.
    pub(super) fn noised<'l>(
        &self,
        latents: impl Iterator<Item = &'l Latent>,
        conditioning: C,
    ) -> ConditionedBatch<C> {
        let values = latents.flat_map(|latent| latent.values.iter().copied());
        let Noising {
            schedule, prediction, ..
        } = self.noising;
        let clean = self.noising.latents(values.collect(), self.shape);
        let noised = DenoisingBatch::new(clean, self.noise.clone(), &self.timesteps, schedule, *prediction)
            .expect("the range of timesteps was checked against the schedule");
        ConditionedBatch { noised, conditioning }
    }

    /// A number of each example.
    pub(super) fn numbers(&self, values: impl Iterator<Item = f64>) -> Tensor<1> {
        let values: Vec<f32> = values.map(|value| value as f32).collect();
        let count = values.len();
        Tensor::from_data(
            TensorData::new(values, [count]),
            (&self.noising.device, DType::F32),
        )
    }

    /// Numbers of each example, as many of all.
    pub(super) fn rows<'r>(&self, rows: impl Iterator<Item = &'r [f32]>) -> Tensor<2> {
        let rows: Vec<&[f32]> = rows.collect();
        let data = TensorData::new(
            rows.concat(),
            [rows.len(), rows.first().map_or(0, |row| row.len())],
        );
        Tensor::from_data(data, (&self.noising.device, DType::F32))
    }
}
