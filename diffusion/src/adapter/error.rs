use thiserror::Error;

use crate::weights::WeightsError;

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
    /// The model has no adapter to save.
    #[error("The model has no adapter")]
    NotAdapted,
    /// The adapters of a model differ in method, rank or scale, which one file cannot say.
    #[error("Adapter of `{layer}` differs in method, rank or scale from the first one")]
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
    /// The layers of a file have different ranks although its metadata names one.
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
    /// A tensor holds a NaN or an infinity.
    #[error("Tensor `{tensor}` is not finite")]
    NotFinite {
        /// Name in the file.
        tensor: String,
    },
    /// The bytes are not a safetensors file.
    #[error("Not a safetensors file")]
    Safetensors {
        /// What is wrong with them.
        #[source]
        source: safetensors::SafeTensorError,
    },
    /// The metadata of the file is not JSON.
    #[error("Metadata `{key}` of the adapter is not valid JSON")]
    MetadataJson {
        /// Metadata key.
        key: &'static str,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// The metadata asks for something this program does not do.
    #[error("Adapter setting `{key}` is `{found}`, expected {expected}")]
    Setting {
        /// Setting in the metadata.
        key: String,
        /// Its value.
        found: String,
        /// What would be accepted.
        expected: &'static str,
    },
}

fn hint(reason: &Option<&'static str>) -> String {
    reason.map(|reason| format!(": {reason}")).unwrap_or_default()
}
