//! The stage `generate`: candidates of every prompt, each with its mutual information.
//!
//! [`one_prompt`] makes them without a pipeline.

mod config;
pub mod one_prompt;
mod rows;
mod run;
pub mod sampling_config;
mod unprompted;

pub use config::GenerateConfig;
