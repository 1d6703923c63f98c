//! Training of the shipped model from nothing: its autoencoder, then its denoiser with its text encoder.

pub mod autoencoder_training;
pub mod denoiser_training;
pub mod latent_normalization;
