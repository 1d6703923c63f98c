//! The stage `evaluate`: what generated images of the shapes world really show.

mod config;
mod images;
pub mod measures;
mod report;
mod run;
#[cfg(test)]
mod tests;

pub use config::EvaluateConfig;
pub use report::{EvaluationReport, ReaderCheck};
