//! The stages of a pipeline, one file each, and the tables they exchange.
#![recursion_limit = "256"]

mod columns;
pub mod draws;
pub mod evaluation;
pub mod generate;
mod item_blocks;
mod latent_shape;
mod lazy_device;
mod model_source;
pub mod pretrain;
mod producer;
pub mod prompts;
pub mod reference;
pub mod registry;
mod sampling_config;
pub mod schema;
pub mod score;
pub mod shapes;
pub mod stage;
mod stage_context;
mod stage_error;
mod stage_ports;
pub mod statistics;

pub use mitune_diffusion::device;
