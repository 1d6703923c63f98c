//! The stage `finetune`: an adapter trained on selected candidates.

mod config;
mod examples;
mod run;
#[cfg(test)]
mod tests;

pub use config::{FinetuneConfig, TimestepRange};
