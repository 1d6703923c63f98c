use thiserror::Error;

use super::SettingsPlace;
use crate::config_fields::SettingError;
use crate::input_file::JsonProblem;
use crate::nn::weights::{Dtype, WeightsError};

/// Why an adapter could not be attached, read or written.
#[derive(Debug, Error)]
pub enum AdapterError {
    /// The rank is zero.
    #[error("Adapter rank must be at least 1")]
    ZeroRank,
    /// The targets select no layer of the model.
    #[error("Adapter targets select no layer of the model")]
    NoLayer,
    /// A layer has an adapter already.
    #[error("Layer `{layer}` already has an adapter")]
    AlreadyAdapted {
        /// diffusers name of the layer.
        layer: String,
    },
    /// There is no layer to save or to read.
    #[error("There is no adapted layer")]
    NotAdapted,
    /// Some layers are DoRA and some are LoRA.
    #[error("Adapter of `{layer}` differs in method from the first one: one is DoRA, one is LoRA")]
    Mixed {
        /// First layer that differs.
        layer: String,
    },
    /// A tensor of the file is not part of an adapter.
    #[error("Tensor `{tensor}` is not part of a LoRA or DoRA adapter{}", hint(reason))]
    UnknownTensor {
        /// Name in the file.
        tensor: String,
        /// What it probably is, when that is known.
        reason: Option<&'static str>,
    },
    /// The adapter changes a component that is not to be changed.
    #[error("The adapter changes `{component}`, expected one that changes `{expected}` alone")]
    OtherComponent {
        /// Component that it changes.
        component: String,
        /// The only one that it may change.
        expected: String,
    },
    /// The adapter changes a component that the model lacks.
    #[error("The adapter changes `{component}`, which the model does not have")]
    NoComponent {
        /// The component.
        component: String,
    },
    /// The adapter changes layers that the model lacks.
    #[error("Adapter changes layer `{layer}`, which the model does not have ({count} such layers)")]
    UnknownLayer {
        /// The first of them.
        layer: String,
        /// How many there are.
        count: usize,
    },
    /// A layer's adapter is incomplete.
    #[error("Adapter of layer `{layer}` lacks `{part}`")]
    MissingPart {
        /// diffusers name of the layer.
        layer: String,
        /// The missing tensor's last name part.
        part: &'static str,
    },
    /// A tensor does not fit its layer.
    #[error("`{part}` of layer `{layer}` has shape {found:?}, expected {expected:?}")]
    Shape {
        /// diffusers name of the layer.
        layer: String,
        /// The tensor's last name part.
        part: &'static str,
        /// Shape that fits the layer.
        expected: Vec<usize>,
        /// Shape in the file.
        found: Vec<usize>,
    },
    /// A layer's A has no rows.
    #[error("`lora_A` of layer `{layer}` has rank 0, expected at least 1")]
    ZeroRankOf {
        /// diffusers name of the layer.
        layer: String,
    },
    /// A tensor has the wrong number of axes, or an empty one.
    #[error(
        "`{part}` of layer `{layer}` has shape {found:?}, expected [rank, inputs] or [rank, inputs, height, width], none \
         of them 0"
    )]
    Axes {
        /// diffusers name of the layer.
        layer: String,
        /// The tensor's last name part.
        part: &'static str,
        /// Shape in the file.
        found: Vec<usize>,
    },
    /// The rank of a layer is not the one that the metadata says.
    #[error("`lora_A` of layer `{layer}` has rank {found}, expected {expected}")]
    Rank {
        /// diffusers name of the layer.
        layer: String,
        /// Rank of the adapter.
        expected: usize,
        /// Rank of the layer.
        found: usize,
    },
    /// A tensor is not of a float type.
    #[error("Tensor `{tensor}` cannot be read as f32")]
    NotFloat {
        /// Name in the file.
        tensor: String,
        /// What is wrong with it.
        #[source]
        source: Box<WeightsError>,
    },
    /// A scale that f32 does not hold.
    #[error("Alpha of layer `{layer}` is {found:e}, expected a number that f32 holds")]
    Alpha {
        /// diffusers name of the layer.
        layer: String,
        /// The alpha.
        found: f64,
    },
    /// A tensor holds a NaN or an infinity.
    #[error("Tensor `{tensor}` is not finite")]
    NotFinite {
        /// Name in the file.
        tensor: String,
    },
    /// A tensor does not fit the element type it is to be written in.
    #[error("Tensor `{tensor}` has values that are out of range for {dtype:?}")]
    OutOfRange {
        /// Name in the file.
        tensor: String,
        /// Element type asked for.
        dtype: Dtype,
    },
    /// Factors of different adapters cannot be averaged.
    #[error("Factors cannot be averaged: adapters differ in the {what} of layer `{layer}`")]
    Unlike {
        /// What differs.
        what: &'static str,
        /// diffusers name of the layer.
        layer: String,
    },
    /// The weights of a mean add up to nothing.
    #[error("Weights of a mean add up to {sum}, expected a finite number other than 0")]
    WeightSum {
        /// Their sum.
        sum: f64,
    },
    /// The weight that DoRA adapters change is not known.
    #[error(
        "Mean weights of DoRA adapters depend on the model, which does not have `{layer}` or is not given"
    )]
    NoBaseWeight {
        /// diffusers name of the layer.
        layer: String,
    },
    /// Rows cancel out, so that nothing is left to scale.
    #[error("Row {row} of layer `{layer}` cancels out in the mean, which no DoRA adapter can express")]
    CancelledRow {
        /// diffusers name of the layer.
        layer: String,
        /// Output of the layer.
        row: usize,
    },
    /// The file is no safetensors file, or cannot be read.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// A tensor is larger than any of an adapter.
    #[error("Tensor `{tensor}` of shape {shape:?} is too large for an adapter")]
    TooLarge {
        /// Name in the file.
        tensor: String,
        /// Its shape.
        shape: Vec<usize>,
    },
    /// A setting of PEFT is not supported.
    #[error("{problem} (in {place})")]
    Config {
        /// Where it stands.
        place: SettingsPlace,
        /// The setting and its value.
        problem: SettingError,
    },
    /// The settings are no JSON object.
    #[error("The settings in {place} cannot be read")]
    Settings {
        /// Where they stand.
        place: SettingsPlace,
        /// What is wrong with them.
        source: JsonProblem,
    },
    /// The settings ask for something this program does not do.
    #[error("Adapter setting `{key}` is `{found}`, expected {expected}")]
    Setting {
        /// Name of the setting.
        key: String,
        /// Its value.
        found: String,
        /// What would be accepted.
        expected: &'static str,
    },
}

impl AdapterError {
    /// What to do, where that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Weights(error) => error.hint(),
            _ => None,
        }
    }
}

fn hint(reason: &Option<&'static str>) -> String {
    reason.map(|reason| format!(": {reason}")).unwrap_or_default()
}
