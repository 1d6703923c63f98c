//! The stage `score`: further scores of finished candidates, under noise drawn on their latents.
//!
//! [`given_pairs`] scores images of any origin in the same way, without a pipeline.

mod config;
pub mod given_pairs;
mod latents;
mod rows;
mod run;
pub mod scored_timesteps;
#[cfg(test)]
mod tests;

pub use config::ScoreConfig;
