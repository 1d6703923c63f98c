//! Settings of the two objectives.

use std::num::NonZeroU32;

use mitune_diffusion::training::objectives::{Ddpo, Dpok, Formulation};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::contract::setting_defaults::{fraction, nonzero, whole};

/// What the network is trained by on the steps of rollouts. Every default is that of the authors' code.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(
    tag = "kind",
    rename_all = "snake_case",
    deny_unknown_fields,
    expecting = "a map with the `kind` of the objective, such as `{kind: dpok}`"
)]
pub enum PolicyObjective {
    /// DPOK (arXiv 2305.16381): steps of a buffer of the latest ones, with a value network's expectation taken off the
    /// reward, held near the pre-trained network.
    Dpok {
        /// Weight of the reward. By default, 10, that of the authors' example of one prompt; their example of several
        /// prompts has 1000.
        #[serde(default = "whole::<f64, 10>")]
        reward_weight: f64,
        /// Weight of the divergence from the pre-trained network. By default, 0.01, as above; for several prompts 0.1.
        #[serde(default = "fraction::<1, 100>")]
        kl_weight: f64,
        /// How far from 1 the ratio of new to old probability of a step may be; `formulation: paper` knows no such
        /// limit. By default, 1e-4.
        #[serde(default = "fraction::<1, 10_000>")]
        clip: f64,
        /// `reference` has means over elements and the difference of predictions in place of the divergence, as in the
        /// authors' code; `paper` has algorithm 1. By default, `reference`.
        #[serde(default)]
        formulation: Formulation,
        /// Steps of rollouts that are remembered, the latest ones. By default, 1000, which is 20 rollouts of 50 steps.
        /// With as many as an iteration makes, the network learns from these alone.
        #[serde(default = "nonzero::<1000>")]
        buffer: NonZeroU32,
        /// Updates of the network in each iteration. By default, 5.
        #[serde(default = "nonzero::<5>")]
        policy_steps: NonZeroU32,
        /// Steps of rollouts that make one update of the network, drawn from the buffer. By default, 24.
        #[serde(default = "nonzero::<24>")]
        batch_size: NonZeroU32,
        /// Steps of rollouts that are computed together; a divisor of `batch_size`. By default, 2. It is part of the
        /// key, because the last digits depend on it.
        #[serde(default = "nonzero::<2>")]
        micro_batch: NonZeroU32,
        /// Learning rate of the value network, which AdamW updates once in each iteration. By default, 1e-4.
        #[serde(default = "fraction::<1, 10_000>")]
        value_learning_rate: f64,
        /// Batches whose mean gradient updates the value network. By default, 5.
        #[serde(default = "nonzero::<5>")]
        value_batches: NonZeroU32,
        /// Steps of rollouts in each of these batches, at most all of the buffer. By default, 256.
        #[serde(default = "nonzero::<256>")]
        value_batch_size: NonZeroU32,
    },
    /// DDPO (arXiv 2305.13301), with importance sampling: all steps of the rollouts of each iteration, with rewards
    /// standardised by prompt.
    Ddpo {
        /// How far from 1 the ratio of new to old probability of a step may be before it is clipped. By default, 1e-4.
        #[serde(default = "fraction::<1, 10_000>")]
        clip: f64,
        /// Largest magnitude of a standardised reward. By default, 5, the paper's.
        #[serde(default = "whole::<f64, 5>")]
        largest_advantage: f64,
        /// `reference` has log-probabilities as means over elements, as in the authors' code; `paper` has their sums.
        /// By default, `reference`.
        #[serde(default)]
        formulation: Formulation,
        /// How often each iteration goes through its rollouts. By default, once.
        #[serde(default = "nonzero::<1>")]
        epochs: NonZeroU32,
        /// Rollouts that make one update of the network, with all of their steps; a divisor of
        /// `rollouts_per_iteration`. By default, all of an iteration.
        #[serde(default)]
        batch_size: Option<NonZeroU32>,
        /// Rollouts whose steps are computed together, step by step; a divisor of `batch_size`. By default, 1. It is
        /// part of the key, because the last digits depend on it.
        #[serde(default = "nonzero::<1>")]
        micro_batch: NonZeroU32,
        /// Rewards of each prompt that are remembered to standardise by, the latest ones. By default, 16.
        #[serde(default = "nonzero::<16>")]
        history: NonZeroU32,
        /// Remembered rewards that a prompt needs; with fewer, its rewards are standardised by all rewards of the
        /// iteration, and so are all where this is more than `history`. By default, 16.
        #[serde(default = "nonzero::<16>")]
        min_count: NonZeroU32,
    },
}

/// DPOK's settings as the training reads them.
#[derive(Clone, Copy, Debug)]
pub(super) struct DpokSettings {
    pub(super) loss: Dpok,
    pub(super) buffer: usize,
    pub(super) policy_steps: u64,
    pub(super) batch_size: usize,
    pub(super) micro_batch: usize,
    pub(super) value_learning_rate: f64,
    pub(super) value_batches: u64,
    pub(super) value_batch_size: usize,
}

/// DDPO's settings as the training reads them.
#[derive(Clone, Copy, Debug)]
pub(super) struct DdpoSettings {
    pub(super) loss: Ddpo,
    pub(super) formulation: Formulation,
    pub(super) epochs: u64,
    pub(super) batch_size: usize,
    pub(super) micro_batch: usize,
    pub(super) history: usize,
    pub(super) min_count: usize,
}

/// Either of them.
#[derive(Clone, Copy, Debug)]
pub(super) enum ObjectiveSettings {
    Dpok(DpokSettings),
    Ddpo(DdpoSettings),
}

impl PolicyObjective {
    /// The settings of a training whose iterations make so many rollouts.
    pub(super) fn settings(&self, rollouts: NonZeroU32) -> ObjectiveSettings {
        let size = |number: NonZeroU32| number.get() as usize;
        let count = |number: NonZeroU32| u64::from(number.get());
        match *self {
            Self::Dpok {
                reward_weight,
                kl_weight,
                clip,
                formulation,
                buffer,
                policy_steps,
                batch_size,
                micro_batch,
                value_learning_rate,
                value_batches,
                value_batch_size,
            } => ObjectiveSettings::Dpok(DpokSettings {
                loss: Dpok {
                    reward_weight,
                    kl_weight,
                    clip,
                    formulation,
                },
                buffer: size(buffer),
                policy_steps: count(policy_steps),
                batch_size: size(batch_size),
                micro_batch: size(micro_batch),
                value_learning_rate,
                value_batches: count(value_batches),
                value_batch_size: size(value_batch_size),
            }),
            Self::Ddpo {
                clip,
                largest_advantage,
                formulation,
                epochs,
                batch_size,
                micro_batch,
                history,
                min_count,
            } => ObjectiveSettings::Ddpo(DdpoSettings {
                loss: Ddpo {
                    clip,
                    largest_advantage,
                },
                formulation,
                epochs: count(epochs),
                batch_size: size(batch_size.unwrap_or(rollouts)),
                micro_batch: size(micro_batch),
                history: size(history),
                min_count: size(min_count),
            }),
        }
    }
}

impl ObjectiveSettings {
    /// Whose log-probabilities.
    pub(super) fn formulation(&self) -> Formulation {
        match self {
            Self::Dpok(settings) => settings.loss.formulation,
            Self::Ddpo(settings) => settings.formulation,
        }
    }

    /// Names of what each iteration reports besides its loss.
    pub(super) fn curves(&self) -> &'static [&'static str] {
        match self {
            Self::Dpok(_) => &[
                "reward",
                "reward_std",
                "value_loss",
                "ratio",
                "clipped_fraction",
                "kl",
            ],
            Self::Ddpo(_) => &["reward", "reward_std", "ratio", "clipped_fraction", "kl"],
        }
    }

    /// Numbers that must be divisors of others, by their names.
    pub(super) fn divisors(&self, rollouts: NonZeroU32) -> Vec<[(&'static str, usize); 2]> {
        let rollouts = ("rollouts_per_iteration", rollouts.get() as usize);
        match self {
            Self::Dpok(settings) => vec![[
                ("objective.micro_batch", settings.micro_batch),
                ("objective.batch_size", settings.batch_size),
            ]],
            Self::Ddpo(settings) => {
                let batch_size = ("objective.batch_size", settings.batch_size);
                let micro_batch = ("objective.micro_batch", settings.micro_batch);
                vec![[batch_size, rollouts], [micro_batch, batch_size]]
            }
        }
    }

    /// Numbers that must be positive, by their names.
    pub(super) fn positive(&self) -> Vec<(&'static str, f64)> {
        match self {
            Self::Dpok(settings) => vec![
                ("objective.clip", settings.loss.clip),
                ("objective.value_learning_rate", settings.value_learning_rate),
            ],
            Self::Ddpo(settings) => vec![
                ("objective.clip", settings.loss.clip),
                ("objective.largest_advantage", settings.loss.largest_advantage),
            ],
        }
    }
}
