//! The stages of a pipeline, one file each, and the tables they exchange.
#![recursion_limit = "256"]

pub mod adapter_file;
pub mod adapter_place;
pub mod adapter_tools;
mod candidate_index;
#[cfg(test)]
mod changed_inputs;
pub mod columns;
mod content_check;
mod demand;
pub mod device_check;
pub mod draws;
pub mod evaluate;
pub mod evaluation;
pub mod failure_hint;
mod file_identity;
pub mod finetune;
pub mod generate;
pub mod given_pairs;
mod ingest;
pub mod item_blocks;
mod key_ingredients;
#[cfg(test)]
mod keyed_settings;
mod latent_decoder;
mod latent_rows;
pub mod latent_shape;
mod lazy_device;
mod loaded_model;
pub mod merge_adapters;
pub mod model_bench;
#[cfg(test)]
mod model_kinds;
pub mod model_source;
pub mod one_prompt;
pub mod output_file;
pub mod pretrain;
pub mod producer;
mod prompt_labels;
pub mod prompts;
pub mod reference;
pub mod registry;
#[cfg(test)]
mod renamed_prompts;
#[cfg(test)]
mod round_trial;
pub mod sampling_config;
pub mod schema;
pub mod score;
mod score_columns;
mod score_traces;
pub mod scored_timesteps;
pub mod select;
pub mod setting_limits;
pub mod shapes;
pub mod stage;
mod stage_context;
mod stage_error;
mod stage_ports;
pub mod statistics;
mod stored_adapter;
pub mod stored_latents;
pub mod suggestion;
pub mod training_run;
#[cfg(test)]
mod trial;
#[cfg(test)]
mod trial_model;
#[cfg(test)]
mod trial_tables;
mod unprompted;

pub use mitune_diffusion::{cpu_level, device, image};

/// Model folders.
pub mod model {
    pub use mitune_diffusion::model::{Architecture, ModelDirectory, ModelError, UnknownArchitecture};
    pub use mitune_diffusion::weights::Dtype as WeightsDtype;
}
