//! The stage `ingest`: prompts from files or from the pipeline itself.

pub mod prompts;
mod stage;
