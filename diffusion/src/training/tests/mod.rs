//! The driver against PyTorch, and the promises about interruption and bad numbers.

mod adafactor;
mod adapters;
mod objective_training;
mod objectives;
mod policies;
mod preference_objectives;
mod promises;
mod pytorch;
mod text_encoder_training;
mod value_network;

use crate::nn::weights::TensorMap;

fn floats(tensors: &TensorMap, name: &str) -> Vec<f32> {
    tensors[name].to_f32().unwrap()
}
