//! What DPOK and DDPO have in common: a network that is improved on rewarded rollouts.

use mitune_diffusion::model::DenoisingNetwork;
use mitune_diffusion::nn::weights::{HostTensor, TensorMap};
use mitune_diffusion::training::{CheckpointError, CheckpointState, StepReport, TrainingError, UpdateReport};
use serde::{Deserialize, Serialize};

use super::sampling::RewardedRollout;
use crate::draws::Draws;
use crate::training::resumable::StepFailure;

/// Improves a network on rewarded rollouts.
pub(super) trait Learner {
    /// The network as it is, with gradients.
    fn network(&self) -> &DenoisingNetwork;

    /// Learns from the rollouts of an iteration. Reports the mean over its updates, without the rewards.
    ///
    /// # Errors
    /// An update was refused, or the run was asked to stop between two of them.
    fn learn(&mut self, iteration: u64, rollouts: Vec<RewardedRollout>) -> Result<StepReport, StepFailure>;

    /// Copies the state to the host.
    ///
    /// # Errors
    /// The device could not hand it over.
    fn checkpoint(&self) -> Result<(LearnerState, TensorMap), TrainingError>;

    /// Goes on from a state.
    ///
    /// # Errors
    /// It is of another training.
    fn restore(&mut self, state: LearnerState, tensors: TensorMap) -> Result<(), CheckpointError>;
}

/// The counters of a learner.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LearnerState {
    pub(super) policy: CheckpointState,
    /// Those of the value network, where there is one.
    pub(super) value: Option<CheckpointState>,
}

/// What the updates of an iteration did together; `first` are curves that stand before those of the objective.
pub(super) fn joined(reports: &[StepReport], first: &[f64]) -> StepReport {
    let share = 1.0 / reports.len().max(1) as f64;
    let mean = |of: &dyn Fn(&StepReport) -> f64| reports.iter().map(of).sum::<f64>() * share;
    let last = reports.last();
    let names = last.map_or(0, |report| report.curves.len());
    let curves = (0..names).map(|place| mean(&|report: &StepReport| report.curves[place]));
    StepReport {
        update: UpdateReport {
            updates: last.map_or(0, |report| report.update.updates),
            loss: mean(&|report: &StepReport| report.update.loss),
            gradient_norm: mean(&|report: &StepReport| report.update.gradient_norm),
            learning_rate: last.map_or(0.0, |report| report.update.learning_rate),
        },
        curves: first.iter().copied().chain(curves).collect(),
    }
}

/// Draws so many different places below `of`; where there are fewer, all of them over and over.
pub(super) fn drawn(purpose: &str, seed: u64, number: u64, count: usize, of: usize) -> Vec<usize> {
    let mut places: Vec<usize> = (0..of).collect();
    Draws::new(purpose, seed, number).shuffle(&mut places);
    places.iter().copied().cycle().take(count).collect()
}

/// Puts tensors under names that begin alike.
pub(super) fn put(tensors: &mut TensorMap, prefix: &str, part: TensorMap) {
    let named = part.into_iter();
    tensors.extend(named.map(|(name, tensor)| (format!("{prefix}.{name}"), tensor)));
}

/// Takes the tensors out whose names begin so.
pub(super) fn take(tensors: &mut TensorMap, prefix: &str) -> TensorMap {
    let start = format!("{prefix}.");
    let (own, others) = std::mem::take(tensors)
        .into_iter()
        .partition::<TensorMap, _>(|(name, _)| name.starts_with(&start));
    *tensors = others;
    let bare = |name: String| name[start.len()..].to_owned();
    own.into_iter()
        .map(|(name, tensor)| (bare(name), tensor))
        .collect()
}

/// Takes one tensor out.
pub(super) fn take_one(tensors: &mut TensorMap, name: &str) -> Result<HostTensor, CheckpointError> {
    tensors.remove(name).ok_or_else(|| CheckpointError::Missing {
        tensor: name.to_owned(),
    })
}

/// Checks that nothing is left.
pub(super) fn finish(tensors: TensorMap) -> Result<(), CheckpointError> {
    match tensors.into_keys().next() {
        None => Ok(()),
        Some(name) => Err(CheckpointError::Unused { name }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_different_places_until_there_are_no_more() {
        let some = drawn("test", 1, 2, 5, 9);
        let mut sorted = some.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!((some.len(), sorted.len()), (5, 5));
        assert_eq!(drawn("test", 1, 2, 5, 9), some);
        assert_ne!(drawn("test", 1, 3, 5, 9), some);
        let all = drawn("test", 1, 2, 5, 2);
        assert_eq!((all.len(), all[0], all[1]), (5, all[2], all[3]));
        assert_ne!(all[0], all[1]);
    }

    #[test]
    fn tensors_come_back_by_the_names_they_were_put_under() {
        let tensor = HostTensor::from_f32(&[1.0], vec![1]);
        let part = TensorMap::from([("weights.a".to_owned(), tensor.clone())]);
        let mut all = TensorMap::new();
        put(&mut all, "policy", part.clone());
        put(&mut all, "value", part.clone());
        assert_eq!(take(&mut all, "policy"), part);
        assert_eq!(all.keys().collect::<Vec<_>>(), ["value.weights.a"]);
        assert!(finish(all).unwrap_err().to_string().contains("value.weights.a"));
    }
}
