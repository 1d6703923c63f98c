//! DDPO's updates: all steps of the rollouts of an iteration.

use mitune_diffusion::model::DenoisingNetwork;
use mitune_diffusion::nn::weights::TensorMap;
use mitune_diffusion::training::objectives::{DdpoPolicy, TransitionBatch};
use mitune_diffusion::training::{Checkpoint, CheckpointError, ObjectiveTrainer, StepReport, TrainingError};

use super::learner::{Learner, LearnerState, drawn, finish, joined, put, take};
use super::objective::DdpoSettings;
use super::reward_history::RewardHistory;
use super::sampling::RewardedRollout;
use super::transition::{Transition, TransitionBatches};
use crate::contract::StageContext;
use crate::training::resumable::StepFailure;

const POLICY: &str = "policy";
const HISTORY: &str = "history";

/// The rewards of earlier iterations, and the policy.
pub(super) struct DdpoLearner<'a> {
    context: &'a StageContext<'a>,
    settings: DdpoSettings,
    batches: &'a TransitionBatches<'a>,
    seed: u64,
    policy: ObjectiveTrainer<DenoisingNetwork, DdpoPolicy>,
    history: RewardHistory,
}

/// The steps of a rollout, which all have one advantage.
struct AdvantagedRollout {
    transitions: Vec<Transition>,
    advantage: f32,
}

impl<'a> DdpoLearner<'a> {
    /// Starts without a history.
    pub(super) fn new(
        context: &'a StageContext<'a>,
        settings: DdpoSettings,
        batches: &'a TransitionBatches<'a>,
        policy: ObjectiveTrainer<DenoisingNetwork, DdpoPolicy>,
        seed: u64,
    ) -> Self {
        Self {
            context,
            settings,
            batches,
            seed,
            policy,
            history: RewardHistory::new(settings.history, settings.min_count),
        }
    }

    fn advantaged(&mut self, rollouts: Vec<RewardedRollout>) -> Vec<AdvantagedRollout> {
        let rewards: Vec<(usize, f64)> = rollouts
            .iter()
            .map(|rollout| (rollout.prompt, rollout.reward))
            .collect();
        let advantages = self.history.advantages(&rewards);
        let choices = self.batches.steps.choices();
        let pairs = rollouts.into_iter().zip(advantages);
        pairs
            .map(|(rollout, advantage)| AdvantagedRollout {
                transitions: Transition::of_rollout(rollout, &choices),
                advantage: advantage as f32,
            })
            .collect()
    }
}

impl Learner for DdpoLearner<'_> {
    fn network(&self) -> &DenoisingNetwork {
        self.policy.trainer().module()
    }

    fn learn(&mut self, iteration: u64, rollouts: Vec<RewardedRollout>) -> Result<StepReport, StepFailure> {
        let rollouts = self.advantaged(rollouts);
        let steps = rollouts.first().map_or(0, |rollout| rollout.transitions.len());
        let DdpoSettings {
            epochs,
            batch_size,
            micro_batch,
            ..
        } = self.settings;
        let mut reports = Vec::new();
        for epoch in iteration * epochs..(iteration + 1) * epochs {
            let order = drawn("ddpo order", self.seed, epoch, rollouts.len(), rollouts.len());
            for places in order.chunks(batch_size) {
                let (context, batches) = (self.context, self.batches);
                let micro_batches = places.chunks(micro_batch).flat_map(|places| {
                    let together: Vec<&AdvantagedRollout> =
                        places.iter().map(|&place| &rollouts[place]).collect();
                    (0..steps).map(move |step| micro_batch_of(batches, &together, step))
                });
                let report = self
                    .policy
                    .step(micro_batches.take_while(|_| !context.cancelled()));
                // An update that was cut short is not one; nothing of this iteration is kept then.
                context.check_cancelled()?;
                reports.push(report?);
            }
        }
        Ok(joined(&reports, &[]))
    }

    fn checkpoint(&self) -> Result<(LearnerState, TensorMap), TrainingError> {
        let policy = self.policy.checkpoint()?;
        let mut tensors = TensorMap::new();
        put(&mut tensors, POLICY, policy.tensors);
        put(&mut tensors, HISTORY, self.history.tensors());
        let state = LearnerState {
            policy: policy.state,
            value: None,
        };
        Ok((state, tensors))
    }

    fn restore(&mut self, state: LearnerState, mut tensors: TensorMap) -> Result<(), CheckpointError> {
        let DdpoSettings {
            history, min_count, ..
        } = self.settings;
        let history = RewardHistory::of_tensors(take(&mut tensors, HISTORY), history, min_count)?;
        let policy = Checkpoint {
            state: state.policy,
            tensors: take(&mut tensors, POLICY),
        };
        // Before anything changes, because a training that refuses a checkpoint goes on as it was.
        finish(tensors)?;
        self.policy.restore(policy)?;
        self.history = history;
        Ok(())
    }
}

/// One step of several rollouts.
fn micro_batch_of(
    batches: &TransitionBatches<'_>,
    rollouts: &[&AdvantagedRollout],
    step: usize,
) -> TransitionBatch {
    let transitions: Vec<&Transition> = rollouts
        .iter()
        .map(|rollout| &rollout.transitions[step])
        .collect();
    let advantages: Vec<f32> = rollouts.iter().map(|rollout| rollout.advantage).collect();
    batches.batch(&transitions, &advantages)
}
