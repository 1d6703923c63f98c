//! How a network is trained from nothing.

use mitune_diffusion::training::{AdamW, Decay, LearningRate, TrainerSettings, WeightAverage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::contract::setting_defaults::{fraction, whole};

/// Optimizer and length of a training; the learning rate rises linearly and falls along half a cosine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrainingConfig {
    /// Updates in all.
    pub steps: u64,
    /// Images to an update.
    pub batch_size: usize,
    /// Highest learning rate.
    pub learning_rate: f64,
    /// Updates over which the learning rate rises. By default, 0.
    #[serde(default)]
    pub warmup: u64,
    /// Decoupled weight decay. By default, 0.
    #[serde(default)]
    pub weight_decay: f64,
    /// Decay of the second moments. By default, 0.99, for short trainings.
    #[serde(default = "fraction::<99, 100>")]
    pub beta2: f64,
    /// Largest norm of the whole gradient. By default, 1.
    #[serde(default = "whole::<f64, 1>")]
    pub clip_norm: f64,
    /// Decay of the average of the weights that becomes the result. By default none: the last weights do.
    #[serde(default)]
    pub average: Option<f64>,
    /// Updates between checkpoints. By default, 100. Not part of the key.
    #[serde(default = "whole::<u64, 100>", skip_serializing)]
    #[schemars(default = "whole::<u64, 100>")]
    pub checkpoint_every: u64,
}

impl TrainingConfig {
    /// Counts the examples of the whole training.
    pub(super) fn effort(&self) -> f64 {
        self.steps as f64 * self.batch_size as f64
    }

    /// The settings of the trainer.
    pub fn settings(&self) -> TrainerSettings {
        TrainerSettings {
            optimizer: AdamW {
                beta1: 0.9,
                beta2: self.beta2,
                epsilon: 1e-8,
                weight_decay: self.weight_decay,
            },
            learning_rate: LearningRate {
                peak: self.learning_rate,
                warmup: self.warmup,
                decay: Decay::Cosine { total: self.steps },
            },
            clip_norm: Some(self.clip_norm),
            average: self.average.map(|decay| WeightAverage { decay }),
        }
    }
}
