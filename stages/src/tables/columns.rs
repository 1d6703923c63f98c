//! Typed columns of record batches.

use arrow_array::types::{ArrowPrimitiveType, Float32Type};
use arrow_array::{Array, BooleanArray, ListArray, PrimitiveArray, RecordBatch, StringArray};

/// A table that is not what its stage promises.
#[derive(Debug, thiserror::Error)]
pub enum ColumnError {
    /// There is no such column.
    #[error("Table has no column `{column}`; it has {}", found.join(", "))]
    Missing {
        /// The column asked for.
        column: String,
        /// The columns there are.
        found: Vec<String>,
    },
    /// A column has another type.
    #[error("Column `{column}` is of type {found}, expected {expected}")]
    Type {
        /// The column asked for.
        column: String,
        /// Its type.
        found: String,
        /// The type asked for.
        expected: &'static str,
    },
}

/// Returns a column of texts.
///
/// # Errors
/// [`ColumnError`] if it is missing or of another type.
pub fn string_column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a StringArray, ColumnError> {
    typed(batch, name, "utf8")
}

/// Returns a column of numbers.
///
/// # Errors
/// [`ColumnError`] if it is missing or of another type.
pub fn number_column<'a, T: ArrowPrimitiveType>(
    batch: &'a RecordBatch,
    name: &str,
) -> Result<&'a PrimitiveArray<T>, ColumnError> {
    typed(batch, name, "a number")
}

/// Returns a column of truth values.
///
/// # Errors
/// [`ColumnError`] if it is missing or of another type.
pub fn boolean_column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a BooleanArray, ColumnError> {
    typed(batch, name, "a truth value")
}

/// Returns a column of lists.
///
/// # Errors
/// [`ColumnError`] if it is missing or of another type.
pub fn list_column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a ListArray, ColumnError> {
    typed(batch, name, "a list")
}

/// Returns the numbers of one list of f32.
///
/// # Errors
/// [`ColumnError`] if the elements are of another type.
pub fn f32_list(lists: &ListArray, name: &str, row: usize) -> Result<Vec<f32>, ColumnError> {
    let values = lists.value(row);
    let values = values.as_any().downcast_ref::<PrimitiveArray<Float32Type>>();
    let error = || ColumnError::Type {
        column: name.to_owned(),
        found: lists.value_type().to_string(),
        expected: "a list of f32",
    };
    Ok(values.ok_or_else(error)?.values().to_vec())
}

fn typed<'a, T: 'static>(
    batch: &'a RecordBatch,
    name: &str,
    expected: &'static str,
) -> Result<&'a T, ColumnError> {
    let column = batch.column_by_name(name).ok_or_else(|| ColumnError::Missing {
        column: name.to_owned(),
        found: batch
            .schema()
            .fields()
            .iter()
            .map(|field| format!("`{}`", field.name()))
            .collect(),
    })?;
    column
        .as_any()
        .downcast_ref::<T>()
        .ok_or_else(|| ColumnError::Type {
            column: name.to_owned(),
            found: column.data_type().to_string(),
            expected,
        })
}
