//! DPOK's updates: the value network's one, then the policy's, on steps drawn from the buffer.

use burn::module::Module;
use burn::tensor::{DType, Device, Tensor, TensorData};
use mitune_diffusion::model::DenoisingNetwork;
use mitune_diffusion::nn::weights::TensorMap;
use mitune_diffusion::training::objectives::{DpokPolicy, value_loss};
use mitune_diffusion::training::{
    AdamW, Checkpoint, CheckpointError, LearningRate, ObjectiveTrainer, StepReport, Trainer, TrainerSettings,
    TrainingError, ValueNetwork, ValueNetworkShape,
};

use super::learner::{Learner, LearnerState, drawn, finish, joined, put, take};
use super::objective::DpokSettings;
use super::replay_buffer::ReplayBuffer;
use super::sampling::RewardedRollout;
use super::transition::{Transition, TransitionBatches};
use crate::contract::{StageContext, StageError};
use crate::training::resumable::StepFailure;

const POLICY: &str = "policy";
const VALUE: &str = "value";
const BUFFER: &str = "buffer";

/// The value network with its optimizer, the buffer, and the policy.
pub(super) struct DpokLearner<'a> {
    context: &'a StageContext<'a>,
    settings: DpokSettings,
    batches: &'a TransitionBatches<'a>,
    seed: u64,
    policy: ObjectiveTrainer<DenoisingNetwork, DpokPolicy>,
    value: Trainer<ValueNetwork>,
    buffer: ReplayBuffer,
}

/// What the value network looks at.
struct ValueBatch {
    latents: Tensor<2>,
    text: Tensor<2>,
    steps: Vec<usize>,
    rewards: Tensor<1>,
}

impl<'a> DpokLearner<'a> {
    /// Starts with an untrained value network and an empty buffer.
    pub(super) fn new(
        context: &'a StageContext<'a>,
        settings: DpokSettings,
        batches: &'a TransitionBatches<'a>,
        policy: ObjectiveTrainer<DenoisingNetwork, DpokPolicy>,
        [seed, init_seed]: [u64; 2],
    ) -> Result<Self, TrainingError> {
        let shape = ValueNetworkShape {
            latent: batches.latent_shape.iter().product(),
            text: batches.encodings.pooled_width(),
            steps: batches.steps.count(),
        };
        let network = ValueNetwork::new(shape, init_seed, &batches.device.clone().without_autodiff());
        let trainer = TrainerSettings {
            optimizer: AdamW::default(),
            learning_rate: LearningRate::constant(settings.value_learning_rate),
            clip_norm: None,
            average: None,
        };
        Ok(Self {
            context,
            settings,
            batches,
            seed,
            policy,
            value: Trainer::new(network, trainer)?,
            buffer: ReplayBuffer::new(settings.buffer),
        })
    }

    /// As in the authors' code: first all first steps, then all second ones.
    fn remember(&mut self, rollouts: Vec<RewardedRollout>) {
        let choices = self.batches.steps.choices();
        let rollouts = rollouts.into_iter();
        let mut rows: Vec<_> = rollouts
            .map(|rollout| Transition::of_rollout(rollout, &choices).into_iter())
            .collect();
        for _ in &choices {
            for row in &mut rows {
                if let Some(transition) = row.next() {
                    self.buffer.push(transition);
                }
            }
        }
    }

    /// One update from the mean gradient over some batches; returns their mean loss.
    fn update_value(&mut self, iteration: u64) -> Result<f64, TrainingError> {
        let Self {
            settings,
            batches,
            seed,
            value,
            buffer,
            ..
        } = self;
        let count = settings.value_batch_size.min(buffer.len());
        let first = iteration * settings.value_batches;
        let value_batches = (first..first + settings.value_batches).map(|number| {
            let places = drawn("dpok value batch", *seed, number, count, buffer.len());
            value_batch(batches, &buffer.at(&places), &batches.device)
        });
        let report = value.update(value_batches, |network: &ValueNetwork, batch: ValueBatch| {
            let expected = network.forward(batch.latents, batch.text, &batch.steps);
            value_loss(expected, batch.rewards)
        })?;
        Ok(report.loss)
    }

    /// The rewards of steps, less what the value network expected of them.
    fn advantages(&self, transitions: &[&Transition]) -> Result<Vec<f32>, StageError> {
        let network = self.value.module().valid();
        let device = self.batches.device.clone().without_autodiff();
        let mut advantages = Vec::with_capacity(transitions.len());
        for transitions in transitions.chunks(self.settings.micro_batch) {
            let batch = value_batch(self.batches, transitions, &device);
            let expected = network.forward(batch.latents, batch.text, &batch.steps);
            let expected: Vec<f32> = expected.try_into_vec_as().map_err(StageError::failed)?;
            let pairs = transitions.iter().zip(expected);
            advantages.extend(pairs.map(|(transition, expected)| transition.reward - expected));
        }
        Ok(advantages)
    }

    fn update_policy(&mut self, number: u64) -> Result<StepReport, StepFailure> {
        let count = self.settings.batch_size;
        let places = drawn("dpok policy batch", self.seed, number, count, self.buffer.len());
        let advantages = self.advantages(&self.buffer.at(&places))?;
        let Self {
            settings,
            batches,
            policy,
            buffer,
            ..
        } = self;
        let transitions = buffer.at(&places);
        let micro_batches = transitions
            .chunks(settings.micro_batch)
            .zip(advantages.chunks(settings.micro_batch))
            .map(|(transitions, advantages)| batches.batch(transitions, advantages));
        Ok(policy.step(micro_batches)?)
    }
}

impl Learner for DpokLearner<'_> {
    fn network(&self) -> &DenoisingNetwork {
        self.policy.trainer().module()
    }

    fn learn(&mut self, iteration: u64, rollouts: Vec<RewardedRollout>) -> Result<StepReport, StepFailure> {
        self.remember(rollouts);
        let value_loss = self.update_value(iteration)?;
        let first = iteration * self.settings.policy_steps;
        let mut reports = Vec::new();
        for number in first..first + self.settings.policy_steps {
            self.context.check_cancelled()?;
            reports.push(self.update_policy(number)?);
        }
        Ok(joined(&reports, &[value_loss]))
    }

    fn checkpoint(&self) -> Result<(LearnerState, TensorMap), TrainingError> {
        let (policy, value) = (self.policy.checkpoint()?, self.value.checkpoint()?);
        let mut tensors = TensorMap::new();
        put(&mut tensors, POLICY, policy.tensors);
        put(&mut tensors, VALUE, value.tensors);
        put(&mut tensors, BUFFER, self.buffer.tensors());
        let state = LearnerState {
            policy: policy.state,
            value: Some(value.state),
        };
        Ok((state, tensors))
    }

    fn restore(&mut self, state: LearnerState, mut tensors: TensorMap) -> Result<(), CheckpointError> {
        let Some(value) = state.value else {
            return Err(CheckpointError::Missing {
                tensor: VALUE.to_owned(),
            });
        };
        let bounds = [self.batches.encodings.pooled.len(), self.batches.steps.count()];
        let buffer = ReplayBuffer::of_tensors(take(&mut tensors, BUFFER), self.settings.buffer, bounds)?;
        let value = Checkpoint {
            state: value,
            tensors: take(&mut tensors, VALUE),
        };
        let policy = Checkpoint {
            state: state.policy,
            tensors: take(&mut tensors, POLICY),
        };
        // Before anything changes, because a training that refuses a checkpoint goes on as it was.
        finish(tensors)?;
        let trained = &mut self.policy;
        restore_both(&mut self.value, &value, || trained.restore(policy))?;
        self.buffer = buffer;
        Ok(())
    }
}

/// Restores a training and then another one; where the other one cannot be, the first is as before.
fn restore_both<M: Module>(
    trainer: &mut Trainer<M>,
    checkpoint: &Checkpoint,
    restore_other: impl FnOnce() -> Result<(), CheckpointError>,
) -> Result<(), CheckpointError> {
    let before = trainer.checkpoint().ok();
    trainer.restore(checkpoint)?;
    let restored = restore_other();
    if let (Err(_), Some(before)) = (&restored, &before) {
        trainer.restore(before)?;
    }
    restored
}

fn value_batch(batches: &TransitionBatches<'_>, transitions: &[&Transition], device: &Device) -> ValueBatch {
    let rows = transitions.len();
    let matrix = |values: Vec<f32>| {
        let columns = values.len() / rows.max(1);
        Tensor::<2>::from_data(TensorData::new(values, [rows, columns]), (device, DType::F32))
    };
    let latents = transitions
        .iter()
        .flat_map(|transition| transition.latent.iter().copied());
    let text = transitions
        .iter()
        .flat_map(|transition| batches.encodings.pooled[transition.prompt].iter().copied());
    let rewards: Vec<f32> = transitions.iter().map(|transition| transition.reward).collect();
    ValueBatch {
        latents: matrix(latents.collect()),
        text: matrix(text.collect()),
        steps: transitions.iter().map(|transition| transition.step).collect(),
        rewards: Tensor::from_data(TensorData::new(rewards, [rows]), (device, DType::F32)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_network_is_as_before_where_the_policy_refuses_a_checkpoint() {
        let trainer = |seed| {
            let shape = ValueNetworkShape {
                latent: 4,
                text: 2,
                steps: 3,
            };
            let settings = TrainerSettings {
                optimizer: AdamW::default(),
                learning_rate: LearningRate::constant(1e-4),
                clip_norm: None,
                average: None,
            };
            Trainer::new(ValueNetwork::new(shape, seed, &Device::flex()), settings).unwrap()
        };
        let mut value = trainer(1);
        let [before, other] = [trainer(1), trainer(2)].map(|trainer| trainer.checkpoint().unwrap());
        let refuse = || {
            let tensor = POLICY.to_owned();
            Err(CheckpointError::Missing { tensor })
        };
        assert!(restore_both(&mut value, &other, refuse).is_err());
        assert_eq!(value.checkpoint().unwrap(), before);
        assert!(restore_both(&mut value, &other, || Ok(())).is_ok());
        assert_eq!(value.checkpoint().unwrap(), other);
    }
}
