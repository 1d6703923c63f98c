//! Settings of the stage.

use std::num::NonZeroU32;
use std::path::PathBuf;

use mitune_diffusion::adapter::AdapterTargets;
use mitune_diffusion::training::Optimizer;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::method::{FinetuneMethod, TextEncoderConfig};
use super::objective::ObjectiveConfig;
use super::optimizer_numbers::optimizer_numbers;
use super::ports::PortError;
use crate::contract::reference::Reference;
use crate::contract::setting_defaults::{fraction, nonzero, whole};

/// Trains a LoRA or DoRA adapter of the denoiser, or all its weights, on selected candidates, as images of their
/// prompts, or on another objective.
///
/// Every default is the paper's (table 8), whatever the objective. All is computed in f32, whatever the pipeline's
/// `dtype`. Latents may have several shapes, if each table of selected candidates has one: a micro-batch then has
/// one shape, and every example still comes once in every pass.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FinetuneConfig {
    /// The selection, or the latents of images, to train on; needed by the objective `denoising`, and by no other. By
    /// default, none.
    #[serde(default)]
    pub selection: Option<Reference>,
    /// Further selections to train on together with the first, as one set: the joint training of several categories.
    /// By default, none.
    #[serde(default)]
    pub joint_with: Vec<Reference>,
    /// What is minimized. By default, `{kind: denoising}`, the error on `selection`.
    #[serde(default, skip_serializing_if = "ObjectiveConfig::is_default")]
    pub objective: ObjectiveConfig,
    /// Tables of pairs of which one is preferred, trained on as one set: for the objectives `sft`, `dpo`, `f_dpo` and
    /// `rpo`. By default, none.
    #[serde(default)]
    pub pairs: Vec<Reference>,
    /// Tables of images that count more or less, trained on as one set: for the objective `gors`. By default, none.
    #[serde(default)]
    pub weights: Vec<Reference>,
    /// Tables of matched and mismatched images and prompts, trained on as one set: for the objective `hn_itm`. By
    /// default, none.
    #[serde(default)]
    pub contrasts: Vec<Reference>,
    /// Tables of features of the images in `pairs` and their prompts: for the objective `rpo`. By default, none.
    #[serde(default)]
    pub features: Vec<Reference>,
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
    /// What is trained: an adapter of one kind or another, or all weights. By default, `dora`.
    #[serde(default = "dora")]
    pub method: FinetuneMethod,
    /// Inner dimension of the low-rank products. By default, 32.
    #[serde(default = "nonzero::<32>")]
    pub rank: NonZeroU32,
    /// The products are scaled by `alpha / rank`. By default, 32.
    #[serde(default = "whole::<f64, 32>")]
    pub alpha: f64,
    /// Layers that get an adapter. By default, attention and feed-forward layers of the transformer blocks.
    #[serde(default)]
    pub targets: AdapterTargets,
    /// Trains the text encoder too, for models that have one alone: `{learning_rate: 5e-6}`. By default, null: the
    /// denoiser alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_encoder: Option<TextEncoderConfig>,
    /// Timesteps that are trained on. By default, 500 to 999, the noisier half; other objectives' papers take all of
    /// them, `{first: 0}`.
    #[serde(default)]
    pub timesteps: TimestepRange,
    /// Learning rate after warm-up; it stays constant. By default, 1e-4.
    #[serde(default = "fraction::<1, 10_000>")]
    pub learning_rate: f64,
    /// Updates over which the learning rate rises from 0. By default, 0.
    #[serde(default)]
    pub warmup: u64,
    /// The optimizer. By default, AdamW with the settings of the paper.
    #[serde(default)]
    pub optimizer: Optimizer,
    /// Largest norm of all gradients together; null leaves them as they are. By default, 1.
    #[serde(default = "unit_norm")]
    pub clip_norm: Option<f64>,
    /// Examples that make one update. By default, 400.
    #[serde(default = "nonzero::<400>")]
    pub batch_size: NonZeroU32,
    /// Examples that are computed together, whose gradients are added up to those of the batch; a divisor of
    /// `batch_size`. By default, 8, or less for smaller batches. It is part of the key, because the last digits depend
    /// on it, and the objectives `rpo` and `hn_itm` compare within it.
    #[serde(default)]
    pub micro_batch: Option<NonZeroU32>,
    /// Updates in all. By default, 300.
    #[serde(default = "whole::<u64, 300>")]
    pub steps: u64,
    /// Probability that an example, a pair as a whole, is trained with the empty prompt in place of its own, which
    /// keeps the unconditional prediction in step. By default, 0.
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

fn dora() -> FinetuneMethod {
    FinetuneMethod::Dora
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
    #[error("Setting `objective.alpha` has a meaning with `divergence: alpha` only; leave it out")]
    NeedlessAlpha,
    #[error(
        "Setting `adapter` has no meaning with `method: full`: fold it into the model before, with a stage \
         `merge_into_model`"
    )]
    AdapterOfWeights,
    #[error(transparent)]
    Port(#[from] PortError),
}

impl FinetuneConfig {
    pub(super) fn check(&self) -> Result<(), FinetuneConfigError> {
        let positive = "a positive number";
        let text_rate = self.text_encoder.map_or(1.0, |text| text.learning_rate);
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
            ("text_encoder.learning_rate", text_rate, positive, text_rate > 0.0),
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
        let others = optimizer_numbers(&self.optimizer)
            .into_iter()
            .chain(self.objective.numbers());
        for (setting, found, expected, holds) in ranges.into_iter().chain(others) {
            if !holds || !found.is_finite() {
                return Err(FinetuneConfigError::Range {
                    setting,
                    found,
                    expected,
                });
            }
        }
        if self.objective.has_needless_alpha() {
            return Err(FinetuneConfigError::NeedlessAlpha);
        }
        if self.method == FinetuneMethod::Full && self.adapter.is_some() {
            return Err(FinetuneConfigError::AdapterOfWeights);
        }
        self.check_ports()?;
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
