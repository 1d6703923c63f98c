//! What all components of a model folder have in common.

use std::path::Path;

use burn::module::Module;
use burn::tensor::FloatDType;

use super::ModelError;
use crate::nn::weights::{Dtype, NameTable, SeededTensors, TensorSource, WeightsFolder, load_module};

pub(super) fn open_weights(
    model: &Path,
    component: &'static str,
    stem: &str,
    variant: Option<&str>,
) -> Result<WeightsFolder, ModelError> {
    WeightsFolder::open_variant(&model.join(component), stem, variant)
        .map_err(|source| ModelError::Weights { component, source })
}

pub(super) fn fill<M: Module>(
    component: &'static str,
    module: M,
    weights: &dyn TensorSource,
    names: &NameTable<'_>,
    dtype: FloatDType,
) -> Result<M, ModelError> {
    load_module(module, weights, names, dtype).map_err(|source| ModelError::Weights { component, source })
}

/// Fills a module with weights that follow from a seed.
pub(super) fn load_seeded<M: Module>(
    component: &'static str,
    module: M,
    seed: u64,
    names: &NameTable<'_>,
    dtype: FloatDType,
) -> Result<M, ModelError> {
    let tensors = SeededTensors::new(seed, Dtype::F32, &module, names);
    load_module(module, &tensors, names, dtype).map_err(|source| ModelError::Weights { component, source })
}
