//! The stage `generate`: candidates of every prompt, each with its mutual information.
//!
//! [`one_prompt`] makes them without a pipeline.

mod config;
mod evaluations;
pub mod guidance_method;
mod guided_sampler;
pub mod one_prompt;
mod prompt_subjects;
mod prompts;
mod rows;
mod run;
pub mod sampling_config;
#[cfg(test)]
mod tests;
mod unprompted;

pub use config::GenerateConfig;
