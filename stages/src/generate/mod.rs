//! The stage `generate`: candidates of every prompt, each with its mutual information.

mod config;
pub(crate) mod rows;
mod run;

pub use config::GenerateConfig;
