//! The header of a safetensors file.

use std::collections::BTreeMap;

use super::{TensorBytes, TensorError};

/// The largest header a reader accepts, in bytes.
pub(super) const LIMIT: usize = 100_000_000;

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
    if header.len() > LIMIT {
        return Err(TensorError::HeaderSize { found: header.len() });
    }
    Ok(header)
}
