//! Anything tensors can be taken from by name.

use std::collections::BTreeMap;

use safetensors::Dtype;

use super::{HostTensor, WeightsError};

/// Tensors in host memory, by name.
pub type TensorMap = BTreeMap<String, HostTensor>;

/// Tensors that can be listed without being read, and read one at a time.
///
/// Reading one at a time keeps a model of several gigabytes from being in memory twice.
pub trait TensorSource {
    /// Where the tensors come from, for messages.
    fn origin(&self) -> String;
    /// Every tensor's name, sorted.
    fn names(&self) -> Vec<String>;
    /// A tensor's element type and shape.
    fn describe(&self, name: &str) -> Option<(Dtype, Vec<usize>)>;
    /// A tensor's contents.
    ///
    /// # Errors
    /// When the source lacks the tensor or cannot read it.
    fn read(&self, name: &str) -> Result<HostTensor, WeightsError>;

    /// Every tensor's contents.
    ///
    /// # Errors
    /// When a tensor cannot be read.
    fn read_all(&self) -> Result<TensorMap, WeightsError> {
        self.names()
            .into_iter()
            .map(|name| self.read(&name).map(|tensor| (name, tensor)))
            .collect()
    }
}

impl TensorSource for TensorMap {
    fn origin(&self) -> String {
        "memory".to_owned()
    }

    fn names(&self) -> Vec<String> {
        self.keys().cloned().collect()
    }

    fn describe(&self, name: &str) -> Option<(Dtype, Vec<usize>)> {
        self.get(name).map(|tensor| (tensor.dtype, tensor.shape.clone()))
    }

    fn read(&self, name: &str) -> Result<HostTensor, WeightsError> {
        self.get(name).cloned().ok_or_else(|| WeightsError::NoTensor {
            tensor: name.to_owned(),
            origin: self.origin(),
        })
    }
}
