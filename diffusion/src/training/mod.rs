//! Training of any module with named parameters: a model from nothing, or an adapter only.
//!
//! What is minimized is an [`Objective`], one file each. A new one says what its batches are, whether it compares with
//! the [frozen reference](FrozenReference), and its loss; optimizer, accumulation and checkpoints serve all of them.
//! The losses of preference and reward training are in [`objectives`].

mod adafactor;
mod adamw;
mod average;
mod batch;
mod checkpoint;
mod denoising;
mod denoising_objective;
mod draws;
mod error;
mod gradients;
mod guided_prediction;
mod initialize;
mod learning_rate;
mod objective;
mod objective_trainer;
pub mod objectives;
mod optimizer;
mod parameter_optimizer;
mod parameters;
mod reference;
mod rollout;
mod trainable_denoiser;
mod trainer;
mod value_network;
mod with_text_encoder;

pub use adafactor::Adafactor;
pub use adamw::AdamW;
pub use average::WeightAverage;
pub use batch::{ConditionedBatch, ContrastedPairBatch, PairBatch, WeightedBatch};
pub use checkpoint::{Checkpoint, CheckpointState};
pub use denoising::{DenoisingBatch, mean_squared_error};
pub use denoising_objective::Denoising;
pub use draws::Draws;
pub use error::{CheckpointError, TrainingError};
pub use guided_prediction::GuidedPrediction;
pub use initialize::initialize;
pub use learning_rate::{Decay, LearningRate};
pub use objective::{Objective, ObjectiveValue, StepReport};
pub use objective_trainer::ObjectiveTrainer;
pub use optimizer::Optimizer;
pub use parameters::{TrainableParameter, train_adapters, train_only, trainable_parameters};
pub use reference::{FrozenReference, Reference};
pub use rollout::{Rollout, RolloutError, RolloutSampler, RolloutSteps};
pub use trainable_denoiser::TrainableDenoiser;
pub use trainer::{Trainer, TrainerSettings, UpdateReport};
pub use value_network::{ValueNetwork, ValueNetworkShape};
pub use with_text_encoder::{DenoiserWithTextEncoder, is_of_text_encoder};

#[cfg(test)]
mod tests;
