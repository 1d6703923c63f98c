//! The header of a safetensors file.

use std::collections::BTreeMap;
use std::io::{self, Read};

use safetensors::SafeTensorError;
use safetensors::tensor::Metadata;

use super::TensorBytes;
use super::error::TensorError;
use crate::size_limits::TENSOR_HEADER_LIMIT;

/// Writes the header in a fixed order; the library's own writer orders metadata by chance.
pub(super) fn header(
    ordered: &[(&String, &TensorBytes)],
    metadata: &BTreeMap<String, String>,
) -> Result<Vec<u8>, TensorError> {
    let text = |value: &str| serde_json::to_string(value).map_err(TensorError::Header);
    let mut fields = Vec::with_capacity(ordered.len() + 1);
    if !metadata.is_empty() {
        let metadata = serde_json::to_string(metadata).map_err(TensorError::Header)?;
        fields.push(format!("\"__metadata__\":{metadata}"));
    }
    let mut start = 0;
    for (name, tensor) in ordered {
        let end = start + tensor.data.len();
        let shape: Vec<_> = tensor.shape.iter().map(usize::to_string).collect();
        fields.push(format!(
            "{}:{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{start},{end}]}}",
            text(name)?,
            tensor.dtype,
            shape.join(",")
        ));
        start = end;
    }
    let mut header = format!("{{{}}}", fields.join(",")).into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    if header.len() > TENSOR_HEADER_LIMIT {
        return Err(TensorError::HeaderSize { found: header.len() });
    }
    Ok(header)
}

/// Reads the header of a file of known size and checks that it describes this file; the inner error says what is wrong.
pub(super) fn check(mut file: impl Read, size: u64) -> io::Result<Result<(), SafeTensorError>> {
    const PREFIX: u64 = 8;
    if size < PREFIX {
        return Ok(Err(SafeTensorError::HeaderTooSmall));
    }
    let mut length = [0; PREFIX as usize];
    file.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    if length > TENSOR_HEADER_LIMIT as u64 {
        return Ok(Err(SafeTensorError::HeaderTooLarge));
    }
    if length > size - PREFIX {
        return Ok(Err(SafeTensorError::InvalidHeaderLength));
    }
    let mut header = Vec::new();
    file.take(length).read_to_end(&mut header)?;
    let metadata: Metadata = match serde_json::from_slice(&header) {
        Ok(metadata) => metadata,
        Err(error) => return Ok(Err(SafeTensorError::InvalidHeaderDeserialization(error))),
    };
    let described = (PREFIX + length).saturating_add(metadata.data_len() as u64);
    Ok(match described == size {
        true => Ok(()),
        false => Err(SafeTensorError::MetadataIncompleteBuffer),
    })
}
