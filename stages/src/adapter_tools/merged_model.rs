use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use burn::tensor::{DType, Device, Tensor, TensorData};
use mitune_diffusion::adapter::{COMPONENTS, SavedAdapter, SavedLayer, merge_into_rows};
use mitune_diffusion::model::ModelDirectory;
use mitune_diffusion::nn::weights::{
    Dtype, HostTensor, TensorMap, TensorSource as _, WeightsError, write_safetensors,
};

use super::base_weights::{BaseWeights, open_weights, stem};
use super::new_path::{WriteError, check_free, write_folder};
use crate::adapters::adapter_file::{AdapterFile, AdapterFileError};
use crate::contract::StageError;

/// What a merge changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MergedModel {
    /// Layers that at least one adapter changed.
    pub layers: usize,
    /// All weights of the components that were changed.
    pub tensors: usize,
}

/// A merged weight that cannot be written.
#[derive(Debug, thiserror::Error)]
enum MergeError {
    #[error("Weight `{tensor}` cannot be written in the element type of the model")]
    Cast { tensor: String, source: WeightsError },
    #[error("Weight `{tensor}` is out of range for the element type of the model")]
    OutOfRange { tensor: String },
}

/// Folds adapters into the denoiser and text encoders of a model directory and writes all of it as a new directory.
///
/// The adapters are folded in one after the other, each at its scale, as PEFT merges several: LoRA adds its change,
/// DoRA scales the rows of all that is there by its magnitude over the lengths of the original rows. Weights keep
/// their element type, those of 8-bit floats become f16, and every other file of the model is copied.
///
/// # Errors
/// [`StageError::Configuration`] if model or adapters cannot be used or `out` is there already,
/// [`StageError::Failed`] if the result cannot be written.
pub fn merge_into_model(model: &Path, files: &[AdapterFile], out: &Path) -> Result<MergedModel, StageError> {
    check_free(out)?;
    let directory = ModelDirectory::open(model).map_err(StageError::configuration)?;
    let files = files
        .iter()
        .map(|file| file.read().map(|contents| (file, contents.adapters)))
        .collect::<Result<Vec<_>, _>>()
        .map_err(StageError::configuration)?;
    fold_into_model(&directory, &files, out)
}

/// As [`merge_into_model`], for files that are read already.
pub(crate) fn fold_into_model(
    directory: &ModelDirectory,
    files: &[(&AdapterFile, BTreeMap<&'static str, SavedAdapter>)],
    out: &Path,
) -> Result<MergedModel, StageError> {
    let model = directory.path();
    let mut merged = MergedModel::default();
    let mut changed: BTreeMap<&str, TensorMap> = BTreeMap::new();
    for component in COMPONENTS {
        let adapters: Vec<(&AdapterFile, &SavedAdapter)> = files
            .iter()
            .filter_map(|(file, adapters)| Some((*file, adapters.get(component)?)))
            .collect();
        if !adapters.is_empty() {
            changed.insert(
                component,
                merge_component(model, component, &adapters, &mut merged)?,
            );
        }
    }
    write_folder(out, |draft| {
        let components: Vec<&str> = changed.keys().copied().collect();
        copy_without_weights(model, &components, draft)?;
        for (component, tensors) in &changed {
            let file = format!("{}.safetensors", stem(component));
            write_safetensors(&draft.join(component).join(file), tensors, None)
                .map_err(StageError::failed)?;
        }
        Ok(())
    })?;
    Ok(merged)
}

/// The weights of a component with all adapters folded in.
fn merge_component(
    model: &Path,
    component: &str,
    adapters: &[(&AdapterFile, &SavedAdapter)],
    merged: &mut MergedModel,
) -> Result<TensorMap, StageError> {
    let weights = open_weights(model, component)?;
    let base = BaseWeights::of(&weights);
    for (file, adapter) in adapters {
        base.check(adapter).map_err(|source| {
            StageError::configuration(AdapterFileError::Adapter {
                path: file.path.clone(),
                source,
            })
        })?;
    }
    let mut tensors = weights.read_all().map_err(StageError::failed)?;
    let layers: BTreeSet<&String> = adapters
        .iter()
        .flat_map(|(_, adapter)| adapter.layers.keys())
        .collect();
    for layer in &layers {
        let found = adapters
            .iter()
            .filter_map(|(file, adapter)| Some((adapter.layers.get(*layer)?, file.scale)));
        if let Some(tensor) = base.tensor(layer) {
            merge_layer(&mut tensors, tensor, &found.collect::<Vec<_>>())
                .map_err(StageError::configuration)?;
        }
    }
    merged.layers += layers.len();
    merged.tensors += tensors.len();
    Ok(tensors)
}

fn merge_layer(
    tensors: &mut TensorMap,
    name: String,
    adapters: &[(&SavedLayer, f64)],
) -> Result<(), MergeError> {
    let Some(tensor) = tensors.get_mut(&name) else {
        return Ok(());
    };
    let cast = |source| MergeError::Cast {
        tensor: name.clone(),
        source,
    };
    let outputs = tensor.shape.first().copied().unwrap_or(0);
    let values = tensor.to_f32().map_err(cast)?;
    let shape = [outputs, values.len() / outputs.max(1)];
    let rows = Tensor::<2>::from_data(TensorData::new(values, shape), (&Device::flex(), DType::F32));
    let merged = merge_into_rows(&rows, adapters).into_data().convert::<f32>();
    let merged: Vec<f32> = merged.iter::<f32>().collect();
    let merged = HostTensor::from_f32(&merged, tensor.shape.clone());
    let merged = merged.cast(stored_type(tensor.dtype)).map_err(cast)?;
    if !merged
        .to_f32()
        .map_err(cast)?
        .iter()
        .all(|value| value.is_finite())
    {
        return Err(MergeError::OutOfRange { tensor: name });
    }
    *tensor = merged;
    Ok(())
}

/// The element type that a merged weight is written in: its own, unless that has too few bits for small changes, or
/// none after the point.
fn stored_type(own: Dtype) -> Dtype {
    match own {
        Dtype::F16 | Dtype::BF16 => own,
        Dtype::F8_E4M3 | Dtype::F8_E5M2 | Dtype::F8_E4M3FNUZ | Dtype::F8_E5M2FNUZ => Dtype::F16,
        _ => Dtype::F32,
    }
}

/// Whether a file holds weights of a component in any form, which would then be those before the merge.
fn is_weight_of(component: &str, model: &Path, path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let starts = [stem(component), "pytorch_model", "diffusion_"];
    path.parent() == Some(&model.join(component)) && starts.iter().any(|start| name.starts_with(start))
}

/// Copies a model into a folder that is there, without the weights of some components.
pub(crate) fn copy_without_weights(model: &Path, components: &[&str], to: &Path) -> Result<(), StageError> {
    copy_all(model, to, &|path| {
        !components
            .iter()
            .any(|component| is_weight_of(component, model, path))
    })
}

fn copy_all(from: &Path, to: &Path, select: &dyn Fn(&Path) -> bool) -> Result<(), StageError> {
    let failed = |path: PathBuf| move |source| StageError::failed(WriteError { path, source });
    let entries = std::fs::read_dir(from).map_err(failed(to.to_owned()))?;
    for entry in entries {
        let path = entry.map_err(failed(to.to_owned()))?.path();
        let target = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            std::fs::create_dir(&target).map_err(failed(target.clone()))?;
            copy_all(&path, &target, select)?;
        } else if select(&path) {
            std::fs::copy(&path, &target).map_err(failed(target.clone()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use mitune_diffusion::nn::layers::LayerShape;

    use super::*;

    /// 1 and 1.5 in the 8-bit float of the model, changed by 1/16, which that type has no bits for.
    #[test]
    fn small_changes_of_short_numbers_are_kept() {
        let layer = SavedLayer {
            lora_a: vec![1.0, 1.0],
            lora_b: vec![0.0625],
            magnitude: None,
            rank: 1,
            alpha: 1.0,
            shape: LayerShape {
                outputs: 1,
                inputs: 2,
                kernel: None,
            },
        };
        for (dtype, data, expected) in [
            (Dtype::F8_E4M3, vec![0x38, 0x3c], Dtype::F16),
            (Dtype::I8, vec![1, 2], Dtype::F32),
            (Dtype::BF16, vec![0x80, 0x3f, 0xc0, 0x3f], Dtype::BF16),
        ] {
            let tensor = HostTensor {
                dtype,
                shape: vec![1, 2],
                data,
            };
            let before = tensor.to_f32().unwrap();
            let mut tensors = TensorMap::from([("a".to_owned(), tensor)]);
            merge_layer(&mut tensors, "a".to_owned(), &[(&layer, 1.0)]).unwrap();
            assert_eq!(tensors["a"].dtype, expected);
            let after = tensors["a"].to_f32().unwrap();
            assert_eq!(
                after,
                before.iter().map(|value| value + 0.0625).collect::<Vec<_>>()
            );
        }
    }
}
