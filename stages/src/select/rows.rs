//! The rows of the table `selection`.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, UInt32Array, UInt64Array};
use arrow_schema::ArrowError;
use arrow_select::take::take_record_batch;
use mitune_store::{Artifact, Store, StoreError};

use super::ranking::Chosen;
use crate::contract::StageError;
use crate::tables::schema;

/// Columns that are copied from the candidates.
const COPIED: [&str; 5] = ["prompt_id", "prompt", "seed_index", "latent", "latent_shape"];

/// Copies chosen candidates, sorted by row, batch by batch: latents of the others are read and dropped.
pub(super) fn selected<'a>(
    store: &Store,
    candidates: &Artifact,
    chosen: &'a [Chosen],
) -> Result<impl Iterator<Item = Result<RecordBatch, StoreError>> + use<'a>, StageError> {
    let reader = store.artifacts().read_table(candidates, Some(&COPIED))?;
    let mut start = 0;
    let mut rest = chosen;
    Ok(reader.map(move |batch| {
        let batch = batch?;
        let end = start + batch.num_rows();
        let (here, later) = rest.split_at(rest.partition_point(|chosen| chosen.row < end));
        let rows = here.iter().map(|chosen| (chosen.row - start) as u64).collect();
        (start, rest) = (end, later);
        Ok(copy(&batch, rows, here).map_err(mitune_store::TableError::Arrow)?)
    }))
}

fn copy(batch: &RecordBatch, rows: Vec<u64>, chosen: &[Chosen]) -> Result<RecordBatch, ArrowError> {
    let copied = take_record_batch(batch, &UInt64Array::from(rows))?;
    let scores: ArrayRef = Arc::new(Float64Array::from_iter_values(
        chosen.iter().map(|chosen| chosen.score),
    ));
    let ranks: ArrayRef = Arc::new(UInt32Array::from_iter_values(
        chosen.iter().map(|chosen| chosen.rank),
    ));
    let schema = schema::selection();
    let column = |name: &String| match name.as_str() {
        "score" => scores.clone(),
        "rank" => ranks.clone(),
        name => copied[name].clone(),
    };
    let columns = schema.fields().iter().map(|field| column(field.name())).collect();
    RecordBatch::try_new(schema, columns)
}
