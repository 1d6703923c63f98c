//! Training of the shipped model from nothing: its autoencoder, then its denoiser with its text encoder.

mod architecture;
mod autoencoder;
mod autoencoder_training;
mod data_config;
mod denoiser;
mod denoiser_training;
mod latent_normalization;
mod model_parts;
mod training_config;

pub use autoencoder::PretrainAutoencoderConfig;
pub use data_config::ShapesDataConfig;
pub use denoiser::PretrainDenoiserConfig;
pub use training_config::TrainingConfig;
