use thiserror::Error;

use crate::nn::weights::WeightsError;

/// Why a training step was refused; the weights and the optimizer are as before it.
#[derive(Debug, Error)]
pub enum TrainingError {
    /// The loss is NaN or infinite.
    #[error("Loss of update {update}, micro-batch {micro_batch} is `{value}`")]
    NonFiniteLoss {
        /// Updates completed before this one.
        update: u64,
        /// Index of the micro-batch inside the update.
        micro_batch: usize,
        /// The loss.
        value: f32,
    },
    /// A gradient holds a NaN or an infinity, or their norm overflows.
    #[error("Gradient of `{parameter}` is not finite in update {update}")]
    NonFiniteGradient {
        /// Updates completed before this one.
        update: u64,
        /// First parameter with such a gradient.
        parameter: String,
    },
    /// An update was asked for without any data.
    #[error("An update needs at least one micro-batch")]
    NoMicroBatch,
    /// The loss does not depend on any trainable parameter.
    #[error("Loss of update {update} does not depend on a trainable parameter")]
    NothingToTrain {
        /// Updates completed before this one.
        update: u64,
    },
    /// A trainable parameter is not kept in f32.
    #[error("Trainable parameter `{parameter}` has dtype `{dtype}`, expected `f32`")]
    NotF32 {
        /// Name of the parameter.
        parameter: String,
        /// Its dtype.
        dtype: String,
    },
    /// Two trainable parameters share a name.
    #[error("Two trainable parameters are named `{parameter}`")]
    DuplicateName {
        /// The shared name.
        parameter: String,
    },
    /// The device could not hand a tensor to the host.
    #[error("Reading `{parameter}` from the device failed")]
    Read {
        /// Name of the parameter, or `loss`.
        parameter: String,
        /// What the device reported.
        #[source]
        source: burn::tensor::TensorReadError,
    },
}

/// Why a checkpoint does not belong to a training.
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// A trainable parameter has no such tensor in the checkpoint.
    #[error("Checkpoint lacks tensor `{tensor}`")]
    Missing {
        /// Name in the checkpoint.
        tensor: String,
    },
    /// The checkpoint holds something that the training has no place for.
    #[error("Checkpoint holds `{name}`, which the training does not have")]
    Unused {
        /// Name in the checkpoint.
        name: String,
    },
    /// A tensor does not fit its parameter.
    #[error("Checkpoint tensor `{tensor}` has shape {found:?}, expected {expected:?}")]
    Shape {
        /// Name in the checkpoint.
        tensor: String,
        /// Shape of the parameter.
        expected: Vec<usize>,
        /// Shape in the checkpoint.
        found: Vec<usize>,
    },
    /// A tensor is not of a float type.
    #[error("Checkpoint tensor `{tensor}` cannot be read as f32")]
    NotFloat {
        /// Name in the checkpoint.
        tensor: String,
        /// What is wrong with it.
        #[source]
        source: Box<WeightsError>,
    },
}
