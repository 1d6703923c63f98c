//! Copying chosen candidates into another table.

use std::ops::Range;

use arrow_array::{ArrayRef, RecordBatch, UInt64Array};
use arrow_schema::{ArrowError, SchemaRef};
use arrow_select::take::take_record_batch;
use mitune_store::{Artifact, Store, StoreError, TableError};

use crate::contract::StageError;
use crate::tables::latent_rows::LATENT_COLUMNS;

/// Copies rows of a table, given in its order, batch by batch: latents of the others are read and dropped.
///
/// The result has the columns of `schema`: those that a latent and its name take are copied, every other is made by
/// `further` for a range of `rows`.
pub(crate) fn copied_rows<F>(
    store: &Store,
    table: &Artifact,
    schema: &SchemaRef,
    rows: Vec<usize>,
    further: F,
) -> Result<impl Iterator<Item = Result<RecordBatch, StoreError>> + use<F>, StageError>
where
    F: Fn(&str, Range<usize>) -> Option<ArrayRef>,
{
    let reader = store.artifacts().read_table(table, Some(&LATENT_COLUMNS))?;
    let schema = schema.clone();
    let (mut start, mut done) = (0, 0);
    Ok(reader.map(move |batch| -> Result<RecordBatch, StoreError> {
        let batch = batch?;
        let end = start + batch.num_rows();
        let here = done..done + rows[done..].partition_point(|&row| row < end);
        let taken: Vec<u64> = rows[here.clone()]
            .iter()
            .map(|row| (row - start) as u64)
            .collect();
        (start, done) = (end, here.end);
        let column = |name: &str| further(name, here.clone());
        Ok(copy(&batch, taken, &schema, column).map_err(TableError::Arrow)?)
    }))
}

fn copy(
    batch: &RecordBatch,
    rows: Vec<u64>,
    schema: &SchemaRef,
    further: impl Fn(&str) -> Option<ArrayRef>,
) -> Result<RecordBatch, ArrowError> {
    let copied = take_record_batch(batch, &UInt64Array::from(rows))?;
    let column = |name: &String| {
        let copied = copied.column_by_name(name).cloned();
        copied
            .or_else(|| further(name))
            .ok_or_else(|| ArrowError::SchemaError(format!("Nothing makes the column `{name}`")))
    };
    let columns = schema.fields().iter().map(|field| column(field.name()));
    RecordBatch::try_new(schema.clone(), columns.collect::<Result<_, _>>()?)
}
