//! The driver against PyTorch, and the promises about interruption and bad numbers.

mod adapters;
mod objectives;
mod preference_objectives;
mod promises;
mod pytorch;

use crate::nn::weights::TensorMap;

fn floats(tensors: &TensorMap, name: &str) -> Vec<f32> {
    tensors[name].to_f32().unwrap()
}
