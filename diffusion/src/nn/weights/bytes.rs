//! A safetensors file in memory.

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::Dtype;

use super::header::Header;
use super::{HostTensor, TensorSource, WeightsError};

/// The bytes of a safetensors file whose header has been read and checked.
#[derive(Debug)]
pub(crate) struct SafetensorsBytes<'a> {
    bytes: &'a [u8],
    header: Header,
}

impl<'a> SafetensorsBytes<'a> {
    /// Reads and checks the header.
    ///
    /// # Errors
    /// As for a file, which messages call `memory`.
    pub(crate) fn new(bytes: &'a [u8]) -> Result<Self, WeightsError> {
        let header = Header::read(Path::new("memory"), &mut &*bytes, bytes.len() as u64)?;
        Ok(Self { bytes, header })
    }

    /// What the header says besides the tensors.
    pub(crate) fn metadata(&self) -> &BTreeMap<String, String> {
        &self.header.metadata
    }
}

impl TensorSource for SafetensorsBytes<'_> {
    fn origin(&self) -> String {
        "memory".to_owned()
    }

    fn names(&self) -> Vec<String> {
        self.header.entries.keys().cloned().collect()
    }

    fn describe(&self, name: &str) -> Option<(Dtype, Vec<usize>)> {
        let entry = self.header.entries.get(name)?;
        Some((entry.dtype, entry.shape.clone()))
    }

    fn read(&self, name: &str) -> Result<HostTensor, WeightsError> {
        let missing = || WeightsError::NoTensor {
            tensor: name.to_owned(),
            origin: self.origin(),
        };
        let entry = self.header.entries.get(name).ok_or_else(missing)?;
        let (begin, end) = entry.data_offsets;
        let place = |offset: u64| (self.header.data_begin + offset) as usize;
        let data = self.bytes.get(place(begin)..place(end)).ok_or_else(missing)?;
        Ok(HostTensor {
            dtype: entry.dtype,
            shape: entry.shape.clone(),
            data: data.to_vec(),
        })
    }
}
