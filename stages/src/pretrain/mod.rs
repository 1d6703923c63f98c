//! Training from nothing of what ships: the model's autoencoder, then its denoiser with its text encoder; and the judge.

mod architecture;
mod autoencoder;
mod autoencoder_training;
mod data_config;
mod denoiser;
mod denoiser_training;
mod judge;
mod judge_batches;
mod judge_captions;
mod judge_files;
mod judge_measures;
#[cfg(test)]
mod judge_tests;
mod judge_training;
mod latent_normalization;
mod model_parts;
mod training_config;

pub use autoencoder::PretrainAutoencoderConfig;
pub use data_config::ShapesDataConfig;
pub use denoiser::PretrainDenoiserConfig;
pub use judge::{JudgeDataConfig, PretrainJudgeConfig};
pub use training_config::TrainingConfig;
