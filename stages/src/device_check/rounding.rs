//! What computing in half precision changes on the processor, where every operation is known to be right.
//!
//! How far rounding errors grow depends on the model: over eight steps, a network with random weights makes sixty times
//! the rounding of f16 of them. A rule for all models would be too tight for such a one or too wide for the others.

use std::path::Path;

use mitune_diffusion::device::{DeviceFamily, DeviceSelection};
use mitune_diffusion::nn::weights::{HostTensor, TensorMap};

use super::numbers;
use super::relative_error::relative_error;
use crate::contract::{Dtype, StageError};
use crate::models::loaded_model::LoadedModel;

/// Adds to the exact numbers of a model how far the processor is from them in a format.
pub(super) fn add(model: &Path, dtype: Dtype, exact: &mut TensorMap) -> Result<(), StageError> {
    let processor = DeviceSelection::Exact(DeviceFamily::Cpu, 0);
    let loaded = LoadedModel::load(model, None, processor, dtype)?;
    for (part, rounded) in numbers::compute(&loaded, dtype)? {
        let Some(expected) = exact.get(&part) else {
            continue;
        };
        let values = |tensor: &HostTensor| tensor.to_f32().map_err(StageError::failed);
        let error = relative_error(&values(expected)?, &values(&rounded)?);
        exact.insert(name(&part, dtype), HostTensor::from_f32(&[error as f32], vec![1]));
    }
    Ok(())
}

/// How far the processor was in a format, if the numbers tell.
pub(super) fn of(part: &str, dtype: Dtype, numbers: &TensorMap) -> Option<f64> {
    let error = numbers.get(&name(part, dtype))?.to_f32().ok()?;
    error.first().map(|error| f64::from(*error))
}

fn name(part: &str, dtype: Dtype) -> String {
    format!("the processor in {}: {part}", dtype.name())
}
