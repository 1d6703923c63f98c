//! Settings of the stage.

use std::num::NonZeroU32;
use std::path::PathBuf;

use mitune_diffusion::adapter::{AdapterMethod, AdapterTargets};
use mitune_diffusion::training::{AdamW, Optimizer};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::objective::PolicyObjective;
use crate::contract::reference::Reference;
use crate::contract::setting_defaults::{fraction, nonzero, whole};
use crate::finetune::optimizer_numbers::optimizer_numbers;
use crate::judges::JudgeKind;

/// Trains a LoRA or DoRA adapter of the denoiser by rewards: a judge says what the images are worth that the network
/// generates itself.
///
/// Every default is that of DPOK's authors; where DDPO's differ, the setting says so. All is computed in f32, whatever
/// the pipeline's `dtype`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyGradientConfig {
    /// The prompts to generate images of.
    pub prompts: Reference,
    /// Who rewards the images.
    pub judge: JudgeKind,
    /// The column of the judge that is the reward; one of which lower values are better counts with the opposite sign.
    /// By default, the judge's first column of numbers.
    #[serde(default)]
    pub reward: Option<String>,
    /// What the network is trained by, `{kind: dpok}` or `{kind: ddpo}` with their settings.
    pub objective: PolicyObjective,
    /// Model directory, relative to the pipeline. By default, the pipeline's `model`.
    #[serde(default)]
    pub model: Option<PathBuf>,
    /// A model made by another stage, in place of `model`.
    #[serde(default)]
    pub model_from: Option<Reference>,
    /// Adapter to go on from, such as that of the round before. By default none: a fresh adapter, which changes
    /// nothing before it is trained.
    #[serde(default)]
    pub adapter: Option<Reference>,
    /// Kind of adapter. By default, `lora`.
    #[serde(default = "lora")]
    pub method: AdapterMethod,
    /// Inner dimension of the low-rank products. By default, 4.
    #[serde(default = "nonzero::<4>")]
    pub rank: NonZeroU32,
    /// The products are scaled by `alpha / rank`. By default, 4.
    #[serde(default = "whole::<f64, 4>")]
    pub alpha: f64,
    /// Layers that get an adapter. By default, attention layers alone; where this is written, what is left out has the
    /// default of `finetune`.
    #[serde(default = "attention_alone")]
    pub targets: AdapterTargets,
    /// Learning rate after warm-up; it stays constant. By default, 1e-5; DDPO's paper has 3e-4 for an adapter.
    #[serde(default = "fraction::<1, 100_000>")]
    pub learning_rate: f64,
    /// Updates over which the learning rate rises from 0. By default, 0.
    #[serde(default)]
    pub warmup: u64,
    /// The optimizer. By default, AdamW without weight decay; DDPO has a `weight_decay` of 1e-4. Where this is written,
    /// what is left out has PyTorch's defaults.
    #[serde(default = "without_decay")]
    pub optimizer: Optimizer,
    /// Largest norm of all gradients together; null leaves them as they are. By default, 0.1; DDPO has 1.
    #[serde(default = "tenth")]
    pub clip_norm: Option<f64>,
    /// Iterations in all; each makes rollouts and learns from them. By default, 100.
    #[serde(default = "whole::<u64, 100>")]
    pub iterations: u64,
    /// Images that each iteration generates. By default, 6; DDPO's example for eight graphics cards has 256, and a
    /// `batch_size` of 64.
    #[serde(default = "nonzero::<6>")]
    pub rollouts_per_iteration: NonZeroU32,
    /// Images of one prompt that follow each other before the next prompt's. By default, 1.
    #[serde(default = "nonzero::<1>")]
    pub samples_per_prompt: NonZeroU32,
    /// How rollouts are sampled, by DDIM with noise.
    #[serde(default)]
    pub sampler: RolloutConfig,
    /// Height in pixels. By default, what the model was trained for.
    #[serde(default)]
    pub height: Option<usize>,
    /// Width in pixels. By default, what the model was trained for.
    #[serde(default)]
    pub width: Option<usize>,
    /// Images that are generated together. By default, 8, fewer where latents are larger than 16,384 elements. It is
    /// part of the key, because the last digits depend on it.
    #[serde(default)]
    pub sample_batch: Option<usize>,
    /// Seed of the order of prompts, of noise and of what is drawn from a buffer. By default, the pipeline's.
    #[serde(default)]
    pub seed: Option<u64>,
    /// Seed of the values of a fresh adapter and of the value network. By default, `seed`.
    #[serde(default)]
    pub init_seed: Option<u64>,
    /// Iterations between checkpoints, which is what a killed process can lose. By default, 10.
    #[serde(default = "whole::<u64, 10>")]
    pub checkpoint_every: u64,
}

/// How rollouts are sampled.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RolloutConfig {
    /// Number of denoising steps. By default, 50.
    pub steps: usize,
    /// Scale of classifier-free guidance, in rollouts and in training; 1 is none. By default, 7.5; DDPO has 5.
    pub guidance: f64,
    /// Noise of the steps, from 0.001 to 1, which is as noisy as `ddpm`. By default, 1.
    pub eta: f64,
}

impl Default for RolloutConfig {
    fn default() -> Self {
        Self {
            steps: 50,
            guidance: 7.5,
            eta: 1.0,
        }
    }
}

fn lora() -> AdapterMethod {
    AdapterMethod::Lora
}

fn attention_alone() -> AdapterTargets {
    AdapterTargets {
        feed_forward: false,
        ..AdapterTargets::default()
    }
}

fn without_decay() -> Optimizer {
    let settings = AdamW {
        weight_decay: 0.0,
        ..AdamW::default()
    };
    settings.into()
}

fn tenth() -> Option<f64> {
    Some(0.1)
}

/// A setting that no run can use.
#[derive(Debug, thiserror::Error)]
pub(super) enum PolicyGradientConfigError {
    #[error("Setting `{setting}` is {found}, expected {expected}")]
    Range {
        setting: &'static str,
        found: f64,
        expected: &'static str,
    },
    #[error("Setting `{divisor}` is {found}, expected a divisor of `{of}`, {number}")]
    Divisor {
        divisor: &'static str,
        found: usize,
        of: &'static str,
        number: usize,
    },
}

impl PolicyGradientConfig {
    pub(super) fn check(&self) -> Result<(), PolicyGradientConfigError> {
        let positive = "a positive number";
        let RolloutConfig { steps, guidance, eta } = self.sampler;
        let mut ranges = vec![
            ("alpha", self.alpha, positive, self.alpha > 0.0),
            (
                "learning_rate",
                self.learning_rate,
                positive,
                self.learning_rate > 0.0,
            ),
            (
                "clip_norm",
                self.clip_norm.unwrap_or(1.0),
                positive,
                self.clip_norm.is_none_or(|norm| norm > 0.0),
            ),
            (
                "rank",
                f64::from(self.rank.get()),
                "at most 4096",
                self.rank.get() <= 4_096,
            ),
            (
                "iterations",
                self.iterations as f64,
                "at least 1",
                self.iterations > 0,
            ),
            (
                "checkpoint_every",
                self.checkpoint_every as f64,
                "at least 1",
                self.checkpoint_every > 0,
            ),
            ("sampler.steps", steps as f64, "at least 1", steps > 0),
            ("sampler.guidance", guidance, "a finite number", true),
            ("sampler.eta", eta, "above 0, at most 1", eta > 0.0 && eta <= 1.0),
            (
                "sample_batch",
                self.sample_batch.unwrap_or(1) as f64,
                "at least 1",
                self.sample_batch != Some(0),
            ),
        ];
        ranges.extend(optimizer_numbers(&self.optimizer));
        let objective = self.objective.settings(self.rollouts_per_iteration);
        let numbers = objective.positive().into_iter();
        ranges.extend(numbers.map(|(setting, found)| (setting, found, positive, found > 0.0)));
        for (setting, found, expected, holds) in ranges {
            if !holds || !found.is_finite() {
                return Err(PolicyGradientConfigError::Range {
                    setting,
                    found,
                    expected,
                });
            }
        }
        for [(divisor, found), (of, number)] in objective.divisors(self.rollouts_per_iteration) {
            if number % found != 0 {
                return Err(PolicyGradientConfigError::Divisor {
                    divisor,
                    found,
                    of,
                    number,
                });
            }
        }
        Ok(())
    }
}
