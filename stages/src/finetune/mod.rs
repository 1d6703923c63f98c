//! The stage `finetune`: an adapter trained on selected candidates.

mod config;
mod examples;
mod run;
mod stage;
#[cfg(test)]
mod tests;

pub use config::{FinetuneConfig, TimestepRange};
