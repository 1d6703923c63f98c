//! What all components of a model folder have in common.

use std::path::Path;

use burn::module::Module;
use burn::tensor::FloatDType;

use super::ModelError;
use crate::weights::{NameTable, WeightsFolder, load_module};

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
    weights: &WeightsFolder,
    names: &NameTable<'_>,
    dtype: FloatDType,
) -> Result<M, ModelError> {
    load_module(module, weights, names, dtype).map_err(|source| ModelError::Weights { component, source })
}
