//! The stages of a pipeline, one file each, and the tables they exchange.
#![recursion_limit = "256"]

pub mod draws;
pub mod evaluation;
pub mod prompts;
pub mod schema;
pub mod shapes;
pub mod stage;
pub mod statistics;
