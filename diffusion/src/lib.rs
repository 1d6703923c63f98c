//! Latent diffusion models in Burn, and the mutual information their denoiser yields.
#![recursion_limit = "256"]

pub mod adapter;
pub mod clip;
pub mod conditioning;
pub mod config_fields;
pub mod cpu_level;
pub mod denoiser;
pub mod device;
pub mod forward_scores;
#[cfg(test)]
mod gaussian;
pub mod guidance;
pub mod image;
pub mod image_decoding;
pub mod input_file;
pub mod model;
pub mod mutual_information;
pub mod nn;
pub mod noise;
pub mod prediction;
pub mod rectified_flow;
pub mod sampler;
pub mod schedule;
pub mod scheduler;
pub mod tokenizer;
pub mod torch_noise;
pub mod training;
pub mod unet;
pub mod vae;
