use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use mitune_diffusion::adapter::{SavedAdapter, UNET, mean_of_factors, mean_of_weights};
use mitune_diffusion::model::ModelDirectory;
use mitune_diffusion::nn::weights::Dtype as StoredDtype;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::base_weights::{BaseWeights, open_weights};
use super::conversion::{ConvertedForm, write};
use super::new_path::check_free;
use crate::adapters::adapter_file::AdapterFile;
use crate::contract::StageError;

/// What a mean of adapters is the mean of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MeanKind {
    /// The adapted weights, as one adapter whose rank is the sum of the ranks. This is what the paper means.
    #[default]
    Weights,
    /// The numbers of the adapters: A, B and magnitude. The product of mean factors is another thing than the mean of
    /// the products.
    Factors,
}

/// Writes the mean of adapters of denoisers as one file in PEFT's form and f32; the scale of each file is its weight, divided by
/// the sum of all.
///
/// The mean of the weights of DoRA adapters depends on the weights they change, so it needs the `model`.
///
/// # Errors
/// [`StageError::Configuration`] if a file cannot be used, the adapters do not go together, the model is needed and
/// missing, or `out` is there already; [`StageError::Failed`] if the result cannot be written.
pub fn mean(
    files: &[AdapterFile],
    kind: MeanKind,
    model: Option<&Path>,
    out: &Path,
) -> Result<SavedAdapter, StageError> {
    check_free(out)?;
    let read = |file: &AdapterFile| file.read_denoiser().map(|adapter| (adapter, file.scale));
    let adapters = files.iter().map(read).collect::<Result<Vec<_>, _>>();
    let adapters = adapters.map_err(StageError::configuration)?;
    let weighted: Vec<(&SavedAdapter, f64)> = adapters
        .iter()
        .map(|(adapter, weight)| (adapter, *weight))
        .collect();
    let model = model
        .map(ModelDirectory::locate)
        .transpose()
        .map_err(StageError::configuration)?;
    let weights = model.map(|model| open_weights(&model, UNET)).transpose()?;
    let base = weights.as_ref().map(|weights| BaseWeights::of(weights));
    let mean = mean_of(&weighted, kind, base.as_ref())?;
    let adapters = BTreeMap::from([(UNET, mean.clone())]);
    write(&adapters, out, ConvertedForm::Peft, StoredDtype::F32)?;
    Ok(mean)
}

/// An adapter changes a component that another one leaves alone.
#[derive(Debug, thiserror::Error)]
#[error(
    "One of the adapters changes the `{component}` and another does not: train all of them on the same components"
)]
struct OtherComponents {
    component: String,
}

/// The mean of adapters of the same components, component by component, checked against the model where there is one.
///
/// # Errors
/// [`StageError::Configuration`] if they change different components or do not go together, or the model cannot be read.
pub(crate) fn mean_of_components(
    adapters: &[(&BTreeMap<&'static str, SavedAdapter>, f64)],
    kind: MeanKind,
    model: Option<&Path>,
) -> Result<BTreeMap<&'static str, SavedAdapter>, StageError> {
    let all: BTreeSet<&'static str> = adapters
        .iter()
        .flat_map(|(adapters, _)| adapters.keys().copied())
        .collect();
    let mut means = BTreeMap::new();
    for component in all {
        let of_component = adapters
            .iter()
            .map(|(adapters, weight)| Some((adapters.get(component)?, *weight)));
        let Some(of_component) = of_component.collect::<Option<Vec<_>>>() else {
            return Err(StageError::configuration(OtherComponents {
                component: component.to_owned(),
            }));
        };
        let weights = model.map(|model| open_weights(model, component)).transpose()?;
        let base = weights.as_ref().map(|weights| BaseWeights::of(weights));
        means.insert(component, mean_of(&of_component, kind, base.as_ref())?);
    }
    Ok(means)
}

/// The mean of adapters, checked against the model where there is one.
pub(crate) fn mean_of(
    adapters: &[(&SavedAdapter, f64)],
    kind: MeanKind,
    base: Option<&BaseWeights<'_>>,
) -> Result<SavedAdapter, StageError> {
    if let Some(base) = base {
        for (adapter, _) in adapters {
            base.check(adapter).map_err(StageError::configuration)?;
        }
    }
    let mean = match kind {
        MeanKind::Factors => mean_of_factors(adapters),
        MeanKind::Weights => mean_of_weights(adapters, &mut |layer| base.and_then(|base| base.rows(layer))),
    };
    mean.map_err(StageError::configuration)
}
