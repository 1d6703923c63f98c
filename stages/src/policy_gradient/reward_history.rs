//! DDPO's statistics of rewards, prompt by prompt.

use std::collections::{BTreeMap, VecDeque};

use mitune_diffusion::nn::weights::{Dtype, HostTensor, TensorMap};
use mitune_diffusion::training::CheckpointError;

use super::learner::{finish, take_one};

const PROMPTS: &str = "prompts";
const REWARDS: &str = "rewards";

/// Added to a standard deviation, as in the authors' code.
const EPSILON: f64 = 1e-6;

/// The latest rewards of every prompt.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RewardHistory {
    of_prompt: BTreeMap<usize, VecDeque<f64>>,
    /// Rewards of a prompt that are remembered.
    most: usize,
    /// Rewards that a prompt needs for statistics of its own.
    min_count: usize,
}

impl RewardHistory {
    pub(super) fn new(most: usize, min_count: usize) -> Self {
        Self {
            of_prompt: BTreeMap::new(),
            most,
            min_count,
        }
    }

    /// Remembers the rewards of an iteration, and returns them standardised: `(reward - mean) / (deviation + 1e-6)`,
    /// with mean and deviation of the prompt's remembered rewards, or of all of the iteration where these are too few.
    pub(super) fn advantages(&mut self, rewards: &[(usize, f64)]) -> Vec<f64> {
        for &(prompt, reward) in rewards {
            let known = self.of_prompt.entry(prompt).or_default();
            known.push_back(reward);
            if known.len() > self.most {
                known.pop_front();
            }
        }
        let all = moments(rewards.iter().map(|(_, reward)| *reward));
        let standardised = |&(prompt, reward): &(usize, f64)| {
            let own = self.of_prompt.get(&prompt);
            let own = own.filter(|known| known.len() >= self.min_count);
            let (mean, deviation) = own.map_or(all, |known| moments(known.iter().copied()));
            (reward - mean) / (deviation + EPSILON)
        };
        rewards.iter().map(standardised).collect()
    }

    pub(super) fn tensors(&self) -> TensorMap {
        let entries = || {
            self.of_prompt
                .iter()
                .flat_map(|(prompt, known)| known.iter().map(move |reward| (*prompt, *reward)))
        };
        let tensor = |data: Vec<u8>, dtype| HostTensor {
            dtype,
            shape: vec![data.len() / size_of::<f64>()],
            data,
        };
        let prompts = entries().flat_map(|(prompt, _)| (prompt as u64).to_le_bytes());
        let rewards = entries().flat_map(|(_, reward)| reward.to_le_bytes());
        TensorMap::from([
            (PROMPTS.to_owned(), tensor(prompts.collect(), Dtype::U64)),
            (REWARDS.to_owned(), tensor(rewards.collect(), Dtype::F64)),
        ])
    }

    /// The history with the rewards of its tensors.
    pub(super) fn of_tensors(
        mut tensors: TensorMap,
        most: usize,
        min_count: usize,
    ) -> Result<Self, CheckpointError> {
        let mut numbers = |name: &str| {
            let tensor = take_one(&mut tensors, name)?;
            tensor.to_f64().map_err(|source| CheckpointError::NotFloat {
                tensor: name.to_owned(),
                source: Box::new(source),
            })
        };
        let (prompts, rewards) = (numbers(PROMPTS)?, numbers(REWARDS)?);
        if prompts.len() != rewards.len() {
            return Err(CheckpointError::Shape {
                tensor: REWARDS.to_owned(),
                expected: vec![prompts.len()],
                found: vec![rewards.len()],
            });
        }
        finish(tensors)?;
        let mut history = Self::new(most, min_count);
        for (prompt, reward) in prompts.into_iter().zip(rewards) {
            let known = history.of_prompt.entry(prompt as usize).or_default();
            known.push_back(reward);
        }
        Ok(history)
    }
}

/// Mean and standard deviation, over the number of values.
pub(super) fn moments(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let count = values.clone().count().max(1) as f64;
    let mean = values.clone().sum::<f64>() / count;
    let variance = values.map(|value| (value - mean).powi(2)).sum::<f64>() / count;
    (mean, variance.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-5, "{found} {expected}");
        }
    }

    #[test]
    fn a_prompt_with_few_rewards_is_standardised_by_all_of_the_iteration() {
        let mut history = RewardHistory::new(16, 3);
        // Mean 2, variance (1 + 1 + 0 + 4 + 4) / 5.
        let rewards = [(0, 1.0), (1, 3.0), (0, 2.0), (1, 0.0), (2, 4.0)];
        let deviation = 2.0_f64.sqrt();
        let expected = [-1.0, 1.0, 0.0, -2.0, 2.0].map(|apart| apart / deviation);
        near(&history.advantages(&rewards), &expected);
        // Prompt 0 has three rewards now, 1, 2 and 6, of mean 3 and variance 14 / 3.
        let found = history.advantages(&[(0, 6.0), (3, 6.0)]);
        near(&found, &[3.0 / (14.0_f64 / 3.0).sqrt(), 0.0]);
    }

    #[test]
    fn the_oldest_rewards_are_forgotten() {
        let mut history = RewardHistory::new(2, 2);
        history.advantages(&[(5, 100.0), (5, 1.0)]);
        // 1 and 3 are left.
        near(&history.advantages(&[(5, 3.0)]), &[1.0]);
    }

    #[test]
    fn a_history_comes_back_from_its_tensors() {
        let mut history = RewardHistory::new(3, 2);
        history.advantages(&[(7, 0.1), (2, -1e300), (7, 0.3), (0, 5.0)]);
        let read = RewardHistory::of_tensors(history.tensors(), 3, 2).unwrap();
        assert_eq!(read, history);
        let mut lacking = history.tensors();
        lacking.remove(REWARDS);
        assert!(RewardHistory::of_tensors(lacking, 3, 2).is_err());
    }
}
