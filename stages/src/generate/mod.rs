//! The stage `generate`: candidates of every prompt, each with its mutual information.

mod config;
mod rows;
mod run;

pub use config::GenerateConfig;
