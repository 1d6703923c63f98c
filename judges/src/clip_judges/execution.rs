//! Where and in which batches a judge computes.

use std::num::NonZeroUsize;

use burn::tensor::{Device, FloatDType};

/// Where a judge computes, with which numbers, on how many pictures at once.
#[derive(Debug, Clone)]
pub struct Execution {
    /// The device.
    pub device: Device,
    /// The type of parameters and activations; norms, softmax and embeddings are f32 in any.
    pub dtype: FloatDType,
    /// Pictures of a batch. Batches are filled up to it, so that the last digits of a result do not depend on how many
    /// pictures come together.
    pub batch: NonZeroUsize,
}
