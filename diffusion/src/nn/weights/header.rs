//! The header of a safetensors file, wherever its bytes are.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use safetensors::Dtype;
use serde_json::{Map, Value};

use super::WeightsError;
use crate::input_file::{Contents, InputFileError, JsonProblem};

/// The longest header that is read: the limit that the format itself sets, 100 MB.
pub const MAX_HEADER_BYTES: u64 = 100_000_000;

/// Bytes from which other kinds of files are recognised.
const HEAD: u64 = 512;

/// What a header says of one tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct TensorEntry {
    /// Element type.
    pub dtype: Dtype,
    /// Shape, outermost axis first.
    pub shape: Vec<usize>,
    /// First byte and one past the last, counted from the end of the header.
    pub data_offsets: (u64, u64),
}

/// A header that was read and checked against the length of its file.
#[derive(Debug, Clone)]
pub(super) struct Header {
    pub(super) entries: BTreeMap<String, TensorEntry>,
    /// What the header says besides the tensors.
    pub(super) metadata: BTreeMap<String, String>,
    /// Where the tensors begin, in bytes.
    pub(super) data_begin: u64,
}

impl Header {
    /// Reads the header of `found` bytes, and no more than the header.
    ///
    /// # Errors
    /// When the bytes are cut off, go on after the last tensor, are of another kind of file, or the header is
    /// malformed, longer than [`MAX_HEADER_BYTES`], or describes tensors that overlap or leave gaps.
    pub(super) fn read(path: &Path, reader: &mut impl Read, found: u64) -> Result<Self, WeightsError> {
        let read = |source| WeightsError::Read {
            path: path.to_owned(),
            source,
        };
        let mut bytes = Vec::new();
        reader.take(HEAD).read_to_end(&mut bytes).map_err(read)?;
        if let Some(other) = other_kind(path, &bytes) {
            return Err(other);
        }
        let truncated = |expected| WeightsError::Truncated {
            path: path.to_owned(),
            expected,
            found,
        };
        let Some((length, _)) = bytes.split_first_chunk::<8>() else {
            return Err(truncated(8));
        };
        let length = u64::from_le_bytes(*length);
        if length > MAX_HEADER_BYTES {
            return Err(WeightsError::HeaderTooLong {
                path: path.to_owned(),
                bytes: length,
                limit: MAX_HEADER_BYTES,
            });
        }
        let data_begin = 8 + length;
        if found < data_begin {
            return Err(truncated(data_begin));
        }
        let rest = data_begin.saturating_sub(bytes.len() as u64);
        reader.take(rest).read_to_end(&mut bytes).map_err(read)?;
        let text = bytes
            .get(8..data_begin as usize)
            .ok_or_else(|| truncated(data_begin))?;
        let header = Self::parse(path, text, data_begin)?;
        let expected = data_begin + check_layout(path, &header.entries)?;
        match found.cmp(&expected) {
            std::cmp::Ordering::Less => Err(truncated(expected)),
            std::cmp::Ordering::Greater => Err(WeightsError::Trailing {
                path: path.to_owned(),
                expected,
                found,
            }),
            std::cmp::Ordering::Equal => Ok(header),
        }
    }

    fn parse(path: &Path, text: &[u8], data_begin: u64) -> Result<Self, WeightsError> {
        let mut fields = fields_of(text).map_err(|source| WeightsError::Header {
            path: path.to_owned(),
            source,
        })?;
        let metadata = match fields.remove("__metadata__") {
            Some(Value::Object(texts)) => texts
                .into_iter()
                .filter_map(|(key, value)| Some((key, value.as_str()?.to_owned())))
                .collect(),
            _ => BTreeMap::new(),
        };
        let entries = fields
            .into_iter()
            .map(|(name, value)| Ok((name.clone(), entry(path, name, &value)?)))
            .collect::<Result<_, WeightsError>>()?;
        Ok(Self {
            entries,
            metadata,
            data_begin,
        })
    }
}

/// What a header says, by name.
fn fields_of(bytes: &[u8]) -> Result<Map<String, Value>, JsonProblem> {
    let text = std::str::from_utf8(bytes).map_err(|_| JsonProblem::NotText)?;
    match serde_json::from_str(text) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(other) => Err(JsonProblem::not_an_object(&other)),
        Err(error) => Err(JsonProblem::of(text, &error)),
    }
}

/// Recognises a file that is no safetensors file by its first bytes.
fn other_kind(path: &Path, head: &[u8]) -> Option<WeightsError> {
    let found = Contents::of_anything(head).filter(|found| *found != Contents::Safetensors)?;
    Some(WeightsError::File(InputFileError::Contents {
        path: path.to_owned(),
        found,
        expected: "a safetensors file",
    }))
}

fn entry(path: &Path, tensor: String, value: &Value) -> Result<TensorEntry, WeightsError> {
    let field = |name: &'static str| value.get(name).unwrap_or(&Value::Null);
    let wrong = |name: &'static str| WeightsError::Entry {
        path: path.to_owned(),
        tensor: tensor.clone(),
        field: name,
        found: field(name).to_string(),
    };
    let dtype = serde_json::from_value(field("dtype").clone()).map_err(|_| wrong("dtype"))?;
    let numbers = |name| {
        let list = field(name).as_array()?;
        list.iter().map(Value::as_u64).collect::<Option<Vec<u64>>>()
    };
    let shape = numbers("shape").and_then(|shape| {
        let extents = shape.into_iter().map(|extent| usize::try_from(extent).ok());
        extents.collect::<Option<Vec<usize>>>()
    });
    let shape = shape.ok_or_else(|| wrong("shape"))?;
    match numbers("data_offsets").as_deref() {
        Some([begin, end]) => Ok(TensorEntry {
            dtype,
            shape,
            data_offsets: (*begin, *end),
        }),
        _ => Err(wrong("data_offsets")),
    }
}

/// Checks that the tensors tile the data exactly, and returns the data's length.
fn check_layout(path: &Path, entries: &BTreeMap<String, TensorEntry>) -> Result<u64, WeightsError> {
    let mut in_order: Vec<_> = entries.iter().collect();
    in_order.sort_by_key(|(_, entry)| entry.data_offsets);
    let mut position = 0;
    for (name, entry) in in_order {
        let (begin, end) = entry.data_offsets;
        if begin != position || end < begin {
            return Err(WeightsError::Offsets {
                path: path.to_owned(),
                tensor: name.clone(),
                begin,
                end,
                expected: position,
            });
        }
        let expected = byte_count(entry);
        if expected != Some(end - begin) {
            return Err(WeightsError::Size {
                path: path.to_owned(),
                tensor: name.clone(),
                dtype: entry.dtype,
                shape: entry.shape.clone(),
                expected,
                found: end - begin,
            });
        }
        position = end;
    }
    Ok(position)
}

fn byte_count(entry: &TensorEntry) -> Option<u64> {
    let elements = entry.shape.iter().try_fold(1u64, |product, extent| {
        product.checked_mul(u64::try_from(*extent).ok()?)
    })?;
    let bits = elements.checked_mul(entry.dtype.bitsize() as u64)?;
    bits.is_multiple_of(8).then_some(bits / 8)
}
