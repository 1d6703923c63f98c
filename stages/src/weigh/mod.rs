//! The stage `weigh`: how much each candidate counts in a training that weighs what it is trained on.

mod config;
mod kept;
mod prompt_thresholds;
mod stage;
#[cfg(test)]
mod tests;
mod threshold;

pub use config::{CandidateWeight, Normalisation, WeighConfig};
pub use threshold::{NamedThresholds, Threshold, WordingThresholds};
