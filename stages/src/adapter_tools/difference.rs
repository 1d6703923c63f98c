use std::collections::BTreeMap;

use mitune_diffusion::adapter::{LayerDifference, compare};
use serde::Serialize;

use crate::adapters::adapter_file::{AdapterFile, AdapterFileError};
use crate::contract::StageError;

/// How two adapter files differ.
#[derive(Clone, Debug, Serialize)]
pub struct FileDifference {
    /// All layers together, a layer that a file does not change counting as a change of zero.
    pub total: LayerDistance,
    /// Layers that both files change.
    pub shared: BTreeMap<String, LayerDistance>,
    /// Layers that only the first file changes.
    pub only_first: Vec<String>,
    /// Layers that only the second file changes.
    pub only_second: Vec<String>,
}

/// How two changes of a weight, `s B A`, differ.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct LayerDistance {
    /// Length of the first change, as the root of the sum of squares.
    pub first_norm: f64,
    /// Length of the second change.
    pub second_norm: f64,
    /// Length of the difference over that of the first change; absent where the first is zero and the second is not.
    pub relative_distance: Option<f64>,
    /// Cosine of the angle between the changes; absent where one is zero.
    pub cosine: Option<f64>,
    /// The same distance between the magnitudes of DoRA; absent for LoRA.
    pub magnitude_distance: Option<f64>,
}

/// Compares two adapter files of denoisers, each at its own scale times that of its argument.
///
/// # Errors
/// [`StageError::Configuration`] if a file cannot be used or a layer has another shape in the second.
pub fn difference(first: &AdapterFile, second: &AdapterFile) -> Result<FileDifference, StageError> {
    let read = |file: &AdapterFile| {
        let mut adapter = file.read_denoiser().map_err(StageError::configuration)?;
        for layer in adapter.layers.values_mut() {
            layer.alpha *= file.scale;
        }
        Ok::<_, StageError>(adapter)
    };
    let difference = compare(&read(first)?, &read(second)?).map_err(|source| {
        StageError::configuration(AdapterFileError::Adapter {
            path: second.path.clone(),
            source,
        })
    })?;
    let shared = difference.shared.into_iter();
    Ok(FileDifference {
        total: difference.total.into(),
        shared: shared.map(|(name, layer)| (name, layer.into())).collect(),
        only_first: difference.only_first,
        only_second: difference.only_second,
    })
}

impl From<LayerDifference> for LayerDistance {
    fn from(layer: LayerDifference) -> Self {
        let finite = |value: f64| value.is_finite().then_some(value);
        Self {
            first_norm: layer.first_norm,
            second_norm: layer.second_norm,
            relative_distance: finite(layer.relative_distance),
            cosine: layer.cosine,
            magnitude_distance: layer.magnitude_distance.and_then(finite),
        }
    }
}
