//! The stage `embed`: where images and their prompts lie in the space of a CLIP.
//!
//! Objectives that weigh a negative by its likeness (Diffusion-RPO) and searches for near images read the directions
//! from its table. An image that was ever embedded with its prompt is not embedded again, whichever table it stands in.

mod config;
mod members;
mod rows;
mod run;
mod stage;
#[cfg(test)]
mod tests;

pub use config::EmbedConfig;
