//! The training as a whole: each step is an iteration, which makes rollouts and learns from them.

use burn::module::Module as _;
use mitune_diffusion::nn::weights::TensorMap;
use mitune_diffusion::training::{CheckpointError, StepReport, TrainingError};
use serde::{Deserialize, Serialize};

use super::learner::{Learner, LearnerState};
use super::reward_history::moments;
use super::sampling::Sampling;
use crate::training::resumable::{Resumable, StepFailure};

/// Rollouts and what learns from them.
pub(super) struct Iterations<'a, L> {
    pub(super) sampling: &'a Sampling<'a>,
    pub(super) learner: L,
    /// Names of the rewards' mean and deviation, and of what the learner reports.
    pub(super) curves: &'static [&'static str],
    pub(super) done: u64,
}

/// The counters of a training.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct IterationState {
    iterations: u64,
    learner: LearnerState,
}

impl<L: Learner> Resumable for Iterations<'_, L> {
    type State = IterationState;

    const UNIT: &'static str = "iterations";

    fn curves(&self) -> &'static [&'static str] {
        self.curves
    }

    fn steps_of(state: &IterationState) -> u64 {
        state.iterations
    }

    fn step(&mut self, step: u64) -> Result<Option<StepReport>, StepFailure> {
        let network = self.learner.network().valid();
        let Some(rollouts) = self.sampling.rollouts(&network, step)? else {
            return Ok(None);
        };
        drop(network);
        if self.sampling.context.cancelled() {
            return Ok(None);
        }
        let (mean, deviation) = moments(rollouts.iter().map(|rollout| rollout.reward));
        let StepReport { update, curves } = self.learner.learn(step, rollouts)?;
        self.done = step + 1;
        Ok(Some(StepReport {
            update,
            curves: [mean, deviation].into_iter().chain(curves).collect(),
        }))
    }

    fn checkpoint(&self) -> Result<(IterationState, TensorMap), TrainingError> {
        let (learner, tensors) = self.learner.checkpoint()?;
        let state = IterationState {
            iterations: self.done,
            learner,
        };
        Ok((state, tensors))
    }

    fn restore(&mut self, state: IterationState, tensors: TensorMap) -> Result<(), CheckpointError> {
        self.learner.restore(state.learner, tensors)?;
        self.done = state.iterations;
        Ok(())
    }
}
