//! What can go wrong with tensors.

use safetensors::{Dtype, SafeTensorError};

use crate::size_limits::TENSOR_HEADER_LIMIT;

/// Tensors that cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum TensorError {
    /// The number of bytes does not follow from type and shape.
    #[error("Tensor `{name}` of type {dtype} and shape {shape:?} has {found} bytes")]
    Size {
        /// The name.
        name: String,
        /// Type of an element.
        dtype: Dtype,
        /// Extents.
        shape: Vec<usize>,
        /// Bytes given.
        found: usize,
    },
    /// The name is taken by the format.
    #[error("A tensor cannot be named `__metadata__`")]
    ReservedName,
    /// The header is longer than readers accept.
    #[error("Header takes {found} bytes, at most {} are allowed", TENSOR_HEADER_LIMIT)]
    HeaderSize {
        /// Its length in bytes.
        found: usize,
    },
    /// The header could not be written.
    #[error("Cannot write the header")]
    Header(#[source] serde_json::Error),
    /// The file is not a safetensors file.
    #[error("Not a safetensors file")]
    Parse(#[source] SafeTensorError),
}
