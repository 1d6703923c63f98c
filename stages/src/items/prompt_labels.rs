//! The identities of prompts in tables whose items are known by the texts of their prompts alone.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use arrow_array::{Array, ArrayRef, RecordBatch, StringArray, StructArray};
use arrow_schema::{ArrowError, DataType, SchemaRef};
use mitune_store::{Artifact, ItemRow, Part, Store, StoreError, TableError, row_digests};

use crate::contract::StageError;
use crate::tables::columns::string_column;

/// Stores the table of some rows in which each carries the `prompt_id` of its own prompt.
///
/// An item is computed once for all prompts of the same text, whatever file they stand in, so its row may carry the
/// `prompt_id` of another one. Such rows are copied; all others stay in their shards.
///
/// # Errors
/// An error of the store, or [`StageError::Failed`] if the rows have no `prompt_id`.
pub(crate) fn put_labelled(
    store: &Store,
    schema: &SchemaRef,
    mut rows: Vec<ItemRow>,
    prompt_ids: &[&str],
) -> Result<Artifact, StageError> {
    let foreign = foreign_rows(store, schema, &rows, prompt_ids)?;
    if !foreign.is_empty() {
        let copies = copy_labelled(store, schema, &rows, prompt_ids, &foreign)?;
        for (row, copy) in foreign.into_iter().zip(copies) {
            rows[row] = copy;
        }
    }
    let digests: Vec<_> = rows.iter().map(|row| row.digest).collect();
    Ok(store.artifacts().put_parts(schema, &parts(&rows), &digests)?)
}

/// The name of a candidate's image in its table.
pub(crate) fn image_name(prompt_id: &str, seed_index: u32) -> String {
    format!("{prompt_id}-{seed_index:04}.png")
}

/// Finds the rows whose `prompt_id` is that of another prompt.
fn foreign_rows(
    store: &Store,
    schema: &SchemaRef,
    rows: &[ItemRow],
    prompt_ids: &[&str],
) -> Result<Vec<usize>, StageError> {
    let mut wanted = prompt_ids.iter().enumerate();
    let mut foreign = Vec::new();
    for batch in store
        .artifacts()
        .read_rows(schema, &parts(rows), Some(&["prompt_id"]))?
    {
        let batch = batch?;
        let found = string_column(&batch, "prompt_id").map_err(StageError::failed)?;
        let pairs = found.iter().zip(wanted.by_ref());
        foreign.extend(pairs.filter_map(|(found, (row, own))| (found != Some(*own)).then_some(row)));
    }
    Ok(foreign)
}

/// Writes copies of the foreign rows with the `prompt_id` of their own prompts, and returns where these are.
fn copy_labelled(
    store: &Store,
    schema: &SchemaRef,
    rows: &[ItemRow],
    prompt_ids: &[&str],
    foreign: &[usize],
) -> Result<Vec<ItemRow>, StageError> {
    let originals: Vec<ItemRow> = foreign.iter().map(|&row| rows[row]).collect();
    let mut labels = foreign.iter().map(|&row| prompt_ids[row]);
    let mut digests = Vec::with_capacity(originals.len());
    let source = store.artifacts().read_rows(schema, &parts(&originals), None)?;
    let batches = source.map(|batch| {
        let batch = batch?;
        let labels: Vec<&str> = labels.by_ref().take(batch.num_rows()).collect();
        let labelled = labelled(&batch, &labels).map_err(TableError::Arrow)?;
        digests.extend(row_digests(&labelled)?);
        Ok::<_, StoreError>(labelled)
    });
    let blob = store.artifacts().try_put_table(schema, batches)?.file;
    let copy = |(row, digest)| ItemRow { blob, row, digest };
    Ok((0..).zip(digests).map(copy).collect())
}

/// Groups consecutive rows of the same blob.
pub(crate) fn parts(rows: &[ItemRow]) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for row in rows {
        match parts.last_mut() {
            Some(part) if part.blob == row.blob => part.rows.push(row.row),
            _ => parts.push(Part {
                blob: row.blob,
                rows: vec![row.row],
            }),
        }
    }
    parts
}

/// Replaces the `prompt_id` of each row, and the name of its image if the table has images.
fn labelled(batch: &RecordBatch, prompt_ids: &[&str]) -> Result<RecordBatch, ArrowError> {
    let column = |(name, column): (&String, &ArrayRef)| -> Result<ArrayRef, ArrowError> {
        match (name.as_str(), column.data_type()) {
            ("prompt_id", _) => Ok(Arc::new(StringArray::from_iter_values(prompt_ids))),
            ("image", DataType::Struct(_)) => named_images(batch, column.as_struct(), prompt_ids),
            _ => Ok(column.clone()),
        }
    };
    let schema = batch.schema();
    let names = schema.fields().iter().map(|field| field.name());
    let columns = names.zip(batch.columns()).map(column).collect::<Result<_, _>>()?;
    RecordBatch::try_new(schema, columns)
}

fn named_images(
    batch: &RecordBatch,
    images: &StructArray,
    prompt_ids: &[&str],
) -> Result<ArrayRef, ArrowError> {
    let missing = || ArrowError::SchemaError("Images have no `seed_index`".to_owned());
    let seed_indices = batch
        .column_by_name("seed_index")
        .and_then(|column| column.as_primitive_opt::<UInt32Type>())
        .ok_or_else(missing)?;
    let name = |row: usize| {
        images
            .is_valid(row)
            .then(|| image_name(prompt_ids[row], seed_indices.value(row)))
    };
    let names: ArrayRef = Arc::new((0..images.len()).map(name).collect::<StringArray>());
    let (fields, mut columns, nulls) = images.clone().into_parts();
    for (field, column) in fields.iter().zip(&mut columns) {
        if field.name() == "path" {
            *column = names.clone();
        }
    }
    Ok(Arc::new(StructArray::try_new(fields, columns, nulls)?))
}
