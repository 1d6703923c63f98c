//! Settings of the stage.

use std::num::NonZeroU32;
use std::path::PathBuf;

use mitune_diffusion::adapter::{AdapterMethod, AdapterTargets};
use mitune_diffusion::training::AdamW;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::contract::reference::Reference;
use crate::contract::setting_defaults::{fraction, nonzero, whole};

/// Trains a LoRA or DoRA adapter of the denoiser on selected candidates, as images of their prompts.
///
/// Every default is the paper's (table 8). All is computed in f32, whatever the pipeline's `dtype`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FinetuneConfig {
    /// The selection to train on.
    pub selection: Reference,
    /// Further selections to train on together with the first, as one set: the joint training of several categories.
    /// By default, none.
    #[serde(default)]
    pub joint_with: Vec<Reference>,
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
    /// Kind of adapter. By default, `dora`.
    #[serde(default = "dora")]
    pub method: AdapterMethod,
    /// Inner dimension of the low-rank products. By default, 32.
    #[serde(default = "nonzero::<32>")]
    pub rank: NonZeroU32,
    /// The products are scaled by `alpha / rank`. By default, 32.
    #[serde(default = "whole::<f64, 32>")]
    pub alpha: f64,
    /// Layers that get an adapter. By default, attention and feed-forward layers of the transformer blocks.
    #[serde(default)]
    pub targets: AdapterTargets,
    /// Timesteps that are trained on. By default, 500 to 999, the noisier half.
    #[serde(default)]
    pub timesteps: TimestepRange,
    /// Learning rate after warm-up; it stays constant. By default, 1e-4.
    #[serde(default = "fraction::<1, 10_000>")]
    pub learning_rate: f64,
    /// Updates over which the learning rate rises from 0. By default, 0.
    #[serde(default)]
    pub warmup: u64,
    /// The optimizer, AdamW. By default, that of the paper.
    #[serde(default)]
    pub optimizer: AdamW,
    /// Largest norm of all gradients together; null leaves them as they are. By default, 1.
    #[serde(default = "unit_norm")]
    pub clip_norm: Option<f64>,
    /// Examples that make one update. By default, 400.
    #[serde(default = "nonzero::<400>")]
    pub batch_size: NonZeroU32,
    /// Examples that are computed together, whose gradients are added up to those of the batch; a divisor of
    /// `batch_size`. By default, 8, or less for smaller batches. It is part of the key, because the last digits depend
    /// on it.
    #[serde(default)]
    pub micro_batch: Option<NonZeroU32>,
    /// Updates in all. By default, 300.
    #[serde(default = "whole::<u64, 300>")]
    pub steps: u64,
    /// Probability that an example is trained with the empty prompt in place of its own, which keeps the unconditional
    /// prediction in step. By default, 0.
    #[serde(default)]
    pub caption_dropout: f64,
    /// Seed of the order of examples, of timesteps and of noise. By default, the pipeline's.
    #[serde(default)]
    pub seed: Option<u64>,
    /// Seed of a fresh adapter's values. By default, `seed`.
    #[serde(default)]
    pub init_seed: Option<u64>,
    /// Updates between checkpoints, which is what a killed process can lose. By default, 25.
    #[serde(default = "whole::<u64, 25>")]
    pub checkpoint_every: u64,
}

/// A range of timesteps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TimestepRange {
    /// The least noisy timestep. By default, 500; the reference code has 0.
    pub first: usize,
    /// The noisiest timestep, included. By default, 999.
    pub last: usize,
}

impl Default for TimestepRange {
    fn default() -> Self {
        Self {
            first: 500,
            last: 999,
        }
    }
}

fn dora() -> AdapterMethod {
    AdapterMethod::Dora
}

fn unit_norm() -> Option<f64> {
    Some(1.0)
}

/// A setting that no run can use.
#[derive(Debug, thiserror::Error)]
pub(super) enum FinetuneConfigError {
    #[error("Setting `{setting}` is {found}, expected {expected}")]
    Range {
        setting: &'static str,
        found: f64,
        expected: &'static str,
    },
    #[error("Setting `micro_batch` is {micro_batch}, expected a divisor of `batch_size`, {batch_size}")]
    MicroBatch { micro_batch: u32, batch_size: u32 },
    #[error("Setting `timesteps` begins at {first} and ends at {last}")]
    Timesteps { first: usize, last: usize },
}

impl FinetuneConfig {
    pub(super) fn check(&self) -> Result<(), FinetuneConfigError> {
        let (positive, share) = ("a positive number", "at least 0 and below 1");
        let AdamW {
            beta1,
            beta2,
            epsilon,
            weight_decay,
        } = self.optimizer;
        let ranges = [
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
            ("optimizer.beta1", beta1, share, (0.0..1.0).contains(&beta1)),
            ("optimizer.beta2", beta2, share, (0.0..1.0).contains(&beta2)),
            ("optimizer.epsilon", epsilon, positive, epsilon > 0.0),
            (
                "optimizer.weight_decay",
                weight_decay,
                "at least 0",
                weight_decay >= 0.0,
            ),
            (
                "caption_dropout",
                self.caption_dropout,
                "0 to 1",
                (0.0..=1.0).contains(&self.caption_dropout),
            ),
            (
                "rank",
                f64::from(self.rank.get()),
                "at most 4096",
                self.rank.get() <= 4_096,
            ),
            ("steps", self.steps as f64, "at least 1", self.steps > 0),
            (
                "checkpoint_every",
                self.checkpoint_every as f64,
                "at least 1",
                self.checkpoint_every > 0,
            ),
        ];
        for (setting, found, expected, holds) in ranges {
            if !holds || !found.is_finite() {
                return Err(FinetuneConfigError::Range {
                    setting,
                    found,
                    expected,
                });
            }
        }
        let TimestepRange { first, last } = self.timesteps;
        if first > last {
            return Err(FinetuneConfigError::Timesteps { first, last });
        }
        let (batch_size, micro_batch) = (self.batch_size.get(), self.effective_micro_batch().get());
        if batch_size % micro_batch != 0 {
            return Err(FinetuneConfigError::MicroBatch {
                micro_batch,
                batch_size,
            });
        }
        Ok(())
    }

    pub(super) fn effective_micro_batch(&self) -> NonZeroU32 {
        const EIGHT: NonZeroU32 = NonZeroU32::new(8).unwrap();
        self.micro_batch.unwrap_or(EIGHT.min(self.batch_size))
    }
}
