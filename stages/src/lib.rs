//! The stages of a pipeline: the contract they keep, the tables they exchange, and one folder for each kind.
#![recursion_limit = "256"]

pub mod adapter_tools;
pub mod adapters;
pub mod agree;
pub mod compare;
pub mod contract;
pub mod device_check;
pub mod draws;
pub mod evaluate;
pub mod failure_hint;
pub mod finetune;
pub mod generate;
pub mod ingest;
pub mod items;
pub mod judge;
pub mod judges;
pub mod merge_adapters;
pub mod model_bench;
pub mod models;
pub mod output_file;
mod plural;
pub mod pretrain;
pub mod registry;
pub mod score;
pub mod select;
pub mod set_distance;
pub mod shapes;
pub mod statistics;
pub mod suggestion;
pub mod tables;
#[cfg(test)]
mod testing;
pub mod training;

pub use mitune_diffusion::{cpu_level, device, image};

/// Model folders.
pub mod model {
    pub use mitune_diffusion::model::{Architecture, ModelDirectory, ModelError, UnknownArchitecture};
    pub use mitune_diffusion::nn::weights::Dtype as WeightsDtype;
}
