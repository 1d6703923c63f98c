//! What pipelines begin with: the stage `ingest` reads prompts, and [`images`] reads images with their prompts.

pub mod images;
pub mod prompts;
mod stage;
