//! Training of any module with named parameters: a model from nothing, or an adapter only.

mod adamw;
mod average;
mod checkpoint;
mod denoising;
mod draws;
mod error;
mod gradients;
mod initialize;
mod learning_rate;
mod parameters;
mod trainer;

pub use adamw::AdamW;
pub use average::WeightAverage;
pub use checkpoint::{Checkpoint, CheckpointState};
pub use denoising::{DenoisingBatch, mean_squared_error};
pub use draws::Draws;
pub use error::{CheckpointError, TrainingError};
pub use initialize::initialize;
pub use learning_rate::{Decay, LearningRate};
pub use parameters::{TrainableParameter, train_only, trainable_parameters};
pub use trainer::{Trainer, TrainerSettings, UpdateReport};

#[cfg(test)]
mod tests;
