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

    /// Which of several files holds a tensor, for messages; none where there is one file.
    fn shard_of(&self, _name: &str) -> Option<String> {
        None
    }

    /// Opens a tensor to be read in parts, by default from its whole contents.
    ///
    /// # Errors
    /// As [`Self::read`].
    fn parts(&self, name: &str) -> Result<Box<dyn PartReader>, WeightsError> {
        Ok(Box::new(self.read(name)?))
    }

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

/// One tensor's bytes, which several threads may read at once.
pub trait PartReader: Sync {
    /// Fills `out` with the bytes from `begin` on, counted from the tensor's first.
    ///
    /// # Errors
    /// When they cannot be read.
    fn read_part(&self, begin: u64, out: &mut [u8]) -> Result<(), WeightsError>;
}

impl PartReader for HostTensor {
    fn read_part(&self, begin: u64, out: &mut [u8]) -> Result<(), WeightsError> {
        let range = usize::try_from(begin)
            .ok()
            .and_then(|begin| self.data.get(begin..begin.checked_add(out.len())?));
        match range {
            Some(bytes) => {
                out.copy_from_slice(bytes);
                Ok(())
            }
            None => Err(WeightsError::Length {
                dtype: self.dtype,
                shape: self.shape.clone(),
                found: self.data.len(),
            }),
        }
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
