//! Tensors at their places in a file.

use std::collections::BTreeMap;

use safetensors::Dtype;

use super::TorchFileError;
use super::layout::Layout;
use super::storage::{Storage, StoredTensor};

/// Bytes that tensors may have beyond those in the file, as those have that repeat elements or share them.
const MOST_REPEATED: u64 = 64 << 20;

/// How often all bytes of the file may be in tensors.
const MOST_SHARED: u64 = 16;

/// A tensor whose storage has been found.
#[derive(Debug, Clone)]
pub(super) struct PlacedTensor {
    pub(super) dtype: Dtype,
    pub(super) layout: Layout,
    /// Where in the file the tensor's first element begins.
    pub(super) begin: u64,
}

impl PlacedTensor {
    /// Bytes of an element.
    pub(super) fn width(&self) -> usize {
        self.dtype.bitsize() / 8
    }

    /// Bytes of all its elements.
    pub(super) fn length(&self) -> usize {
        self.layout.count() as usize * self.width()
    }

    /// Bytes from its first element to its last.
    pub(super) fn span(&self) -> u64 {
        self.layout.span() * self.width() as u64
    }
}

/// Finds every tensor in the file, given where a storage begins there.
///
/// # Errors
/// When a storage is not there, or the tensors ask for many times the bytes of the file.
pub(super) fn place(
    tensors: &BTreeMap<String, &StoredTensor<'_>>,
    file_length: u64,
    storage_begin: impl Fn(&Storage<'_>) -> Result<u64, TorchFileError>,
) -> Result<BTreeMap<String, PlacedTensor>, TorchFileError> {
    let most = file_length
        .saturating_mul(MOST_SHARED)
        .saturating_add(MOST_REPEATED);
    let mut total = 0_u64;
    let mut placed = BTreeMap::new();
    for (name, tensor) in tensors {
        let width = tensor.dtype.bitsize() as u64 / 8;
        let length = tensor.layout.count().saturating_mul(width);
        total = total.saturating_add(length);
        if total > most {
            return Err(TorchFileError::Tensor {
                name: name.clone(),
                reason: "repeats the bytes of the file too often",
            });
        }
        let begin = match length {
            // Of an empty storage nothing needs to be there.
            0 => 0,
            _ => storage_begin(&tensor.storage)? + tensor.storage.begin() + tensor.layout.offset() * width,
        };
        placed.insert(
            name.clone(),
            PlacedTensor {
                dtype: tensor.dtype,
                layout: tensor.layout.clone(),
                begin,
            },
        );
    }
    Ok(placed)
}
