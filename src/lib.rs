//! mitune aligns text-to-image diffusion models with their prompts, as a cached and resumable pipeline.

pub mod document;
pub mod engine;
pub mod pipeline;
pub mod suggestion;
