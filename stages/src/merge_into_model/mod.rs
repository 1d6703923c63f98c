//! The stage `merge_into_model`: a model with an adapter in its weights.

mod config;
mod stage;
#[cfg(test)]
mod tests;

pub use config::MergeIntoModelConfig;
