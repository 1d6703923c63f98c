//! The stage `finetune`: an adapter, or all weights, trained on selected candidates, on pairs, weights or contrasts of
//! them.

mod batches;
mod buckets;
mod config;
mod contexts;
mod examples;
mod method;
mod network;
mod objective;
#[cfg(test)]
mod objective_tests;
pub(crate) mod optimizer_numbers;
mod ports;
mod prompt_rows;
mod run;
mod stage;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod trained_networks_tests;
mod training;
mod walk;

pub use config::{FinetuneConfig, TimestepRange};
pub use method::{FinetuneMethod, TextEncoderConfig};
pub use objective::{DivergenceName, ObjectiveConfig};
