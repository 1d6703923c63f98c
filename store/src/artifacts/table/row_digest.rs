//! Digests of rows, independent of batches and files.
//!
//! A row is encoded column by column: the type, then 1 and the value, or 0 for null. Numbers are little-endian, texts
//! and bytes and lists begin with their length in 64 bits, a struct is its members in order. Floats count by their
//! bits, except that all of not a number is one value.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, Schema};

use super::error::TableError;
use super::schema::{encode_fields, encode_type};
use crate::names::{ContentDigest, Digest, RowDigest, domain};

/// Hashes each row of a batch.
///
/// # Errors
/// [`TableError::Type`] if a column has a type that tables here do not hold.
pub fn row_digests(batch: &RecordBatch) -> Result<Vec<RowDigest>, TableError> {
    Ok(rows(batch)?.into_iter().map(|(digest, _)| digest).collect())
}

/// Hashes each row and tells the length of its encoding.
pub(crate) fn rows(batch: &RecordBatch) -> Result<Vec<(RowDigest, u64)>, TableError> {
    let schema = batch.schema();
    let columns = schema
        .fields()
        .iter()
        .zip(batch.columns())
        .map(|(field, column)| Ok((encode_type(field)?, column)))
        .collect::<Result<Vec<_>, TableError>>()?;
    let mut bytes = Vec::new();
    let mut rows = Vec::with_capacity(batch.num_rows());
    for row in 0..batch.num_rows() {
        bytes.clear();
        bytes.extend_from_slice(&(columns.len() as u64).to_le_bytes());
        for (tag, column) in &columns {
            bytes.extend_from_slice(tag);
            append(column.as_ref(), row, row + 1, &mut bytes);
        }
        let digest = Digest::new(blake3::derive_key(domain::ROW, &bytes));
        rows.push((RowDigest::new(digest), bytes.len() as u64));
    }
    Ok(rows)
}

/// Collects the content digest of a table row by row.
#[derive(Debug)]
pub(crate) struct ContentHasher(blake3::Hasher);

impl ContentHasher {
    pub(crate) fn new(schema: &Schema) -> Result<Self, TableError> {
        let fields = encode_fields(schema)?;
        let mut hasher = blake3::Hasher::new_derive_key(domain::TABLE);
        hasher.update(&(fields.len() as u64).to_le_bytes());
        hasher.update(&fields);
        Ok(Self(hasher))
    }

    pub(crate) fn push(&mut self, row: &RowDigest) {
        self.0.update(row.as_bytes());
    }

    pub(crate) fn finish(&self) -> ContentDigest {
        ContentDigest::new(self.0.finalize().into())
    }
}

/// Hashes a table of known row digests.
pub(crate) fn content(schema: &Schema, rows: &[RowDigest]) -> Result<ContentDigest, TableError> {
    let mut hasher = ContentHasher::new(schema)?;
    rows.iter().for_each(|row| hasher.push(row));
    Ok(hasher.finish())
}

macro_rules! append_numbers {
    ($array:expr, $kind:ty, $start:expr, $end:expr, $bytes:expr, $canonical:expr) => {{
        let array = $array.as_primitive::<$kind>();
        for index in $start..$end {
            if append_presence(array, index, $bytes) {
                $bytes.extend_from_slice(&$canonical(array.value(index)).to_le_bytes());
            }
        }
    }};
}

/// Appends the values from `start` to `end`; the types were checked when their tags were encoded.
fn append(array: &dyn Array, start: usize, end: usize, bytes: &mut Vec<u8>) {
    let f32_bits = |value: f32| {
        if value.is_nan() {
            f32::NAN.to_bits()
        } else {
            value.to_bits()
        }
    };
    let f64_bits = |value: f64| {
        if value.is_nan() {
            f64::NAN.to_bits()
        } else {
            value.to_bits()
        }
    };
    match array.data_type() {
        DataType::Int8 => append_numbers!(array, Int8Type, start, end, bytes, std::convert::identity),
        DataType::Int16 => append_numbers!(array, Int16Type, start, end, bytes, std::convert::identity),
        DataType::Int32 => append_numbers!(array, Int32Type, start, end, bytes, std::convert::identity),
        DataType::Int64 => append_numbers!(array, Int64Type, start, end, bytes, std::convert::identity),
        DataType::UInt8 => append_numbers!(array, UInt8Type, start, end, bytes, std::convert::identity),
        DataType::UInt16 => append_numbers!(array, UInt16Type, start, end, bytes, std::convert::identity),
        DataType::UInt32 => append_numbers!(array, UInt32Type, start, end, bytes, std::convert::identity),
        DataType::UInt64 => append_numbers!(array, UInt64Type, start, end, bytes, std::convert::identity),
        DataType::Float32 => append_numbers!(array, Float32Type, start, end, bytes, f32_bits),
        DataType::Float64 => append_numbers!(array, Float64Type, start, end, bytes, f64_bits),
        _ => (start..end).for_each(|index| append_value(array, index, bytes)),
    }
}

fn append_value(array: &dyn Array, index: usize, bytes: &mut Vec<u8>) {
    if !append_presence(array, index, bytes) {
        return;
    }
    match array.data_type() {
        DataType::Boolean => bytes.push(u8::from(array.as_boolean().value(index))),
        DataType::Utf8 => append_bytes(array.as_string::<i32>().value(index).as_bytes(), bytes),
        DataType::Binary => append_bytes(array.as_binary::<i32>().value(index), bytes),
        DataType::List(_) => {
            let elements = array.as_list::<i32>().value(index);
            bytes.extend_from_slice(&(elements.len() as u64).to_le_bytes());
            append(elements.as_ref(), 0, elements.len(), bytes);
        }
        DataType::Struct(_) => {
            for member in array.as_struct().columns() {
                append(member.as_ref(), index, index + 1, bytes);
            }
        }
        other => unreachable!("the type {other} has no tag"),
    }
}

fn append_presence(array: &dyn Array, index: usize, bytes: &mut Vec<u8>) -> bool {
    let present = array.is_valid(index);
    bytes.push(u8::from(present));
    present
}

fn append_bytes(value: &[u8], bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(&(value.len() as u64).to_le_bytes());
    bytes.extend_from_slice(value);
}
