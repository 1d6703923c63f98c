//! The stages of a pipeline, one file each, and the tables they exchange.
#![recursion_limit = "256"]

mod columns;
pub mod draws;
pub mod evaluation;
pub mod generate;
mod item_blocks;
mod latent_shape;
mod model_source;
mod producer;
mod sampling_config;
pub mod score;
pub mod pretrain;
mod lazy_device;
pub mod prompts;
pub mod reference;
pub mod registry;
pub mod schema;
pub mod shapes;
pub mod stage;
mod stage_context;
mod stage_error;
mod stage_ports;
pub mod statistics;

pub use mitune_diffusion::device;
