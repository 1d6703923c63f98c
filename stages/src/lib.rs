//! The stages of a pipeline: the contract they keep, the tables they exchange, and one folder for each kind.
#![recursion_limit = "256"]

pub mod adapter_tools;
pub mod adapters;
pub mod agree;
mod candidate_ranking;
pub mod compare;
pub mod contract;
pub mod contrast;
pub mod device_check;
pub mod draws;
pub mod embed;
pub mod encode_images;
pub mod evaluate;
pub mod failure_hint;
pub mod finetune;
pub mod generate;
pub mod ingest;
pub mod items;
pub mod judge;
pub mod judges;
pub mod merge_adapters;
pub mod merge_into_model;
pub mod mix;
pub mod model_bench;
pub mod models;
pub mod output_file;
pub mod pair;
mod plural;
pub mod policy_gradient;
pub mod pretrain;
pub mod registry;
pub mod score;
pub mod select;
pub mod set_distance;
pub mod shapes;
pub mod statistics;
pub mod stylise;
pub mod subjects;
pub mod suggestion;
pub mod tables;
#[cfg(test)]
mod testing;
pub mod training;
pub mod weigh;

pub use mitune_diffusion::{cpu_level, device, image};

/// Model folders.
pub mod model {
    pub use mitune_diffusion::model::{Architecture, ModelDirectory, ModelError, UnknownArchitecture};
    pub use mitune_diffusion::nn::weights::Dtype as WeightsDtype;
}
