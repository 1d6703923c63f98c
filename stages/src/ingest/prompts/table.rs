//! The rows of the table `prompts`.

use arrow_array::builder::{StringBuilder, UInt32Builder};
use arrow_array::{ArrayRef, RecordBatch};
use std::sync::Arc;

use crate::tables::schema;

use super::collector::PromptRow;
use super::error::PromptsError;

/// Rows in each batch.
const BATCH_ROWS: usize = 8192;

/// Consumes rows into batches, so that the texts are in memory once.
pub(super) fn batches(rows: Vec<PromptRow>) -> Result<Vec<RecordBatch>, PromptsError> {
    let mut batches = Vec::with_capacity(rows.len().div_ceil(BATCH_ROWS));
    let mut rows = rows.into_iter();
    while rows.len() > 0 {
        batches.push(batch(rows.by_ref().take(BATCH_ROWS)).map_err(PromptsError::Table)?);
    }
    Ok(batches)
}

fn batch(rows: impl Iterator<Item = PromptRow>) -> Result<RecordBatch, arrow_schema::ArrowError> {
    let mut texts: [StringBuilder; 5] = Default::default();
    let mut lines = UInt32Builder::new();
    for row in rows {
        let [prompt_id, prompt, category, split, source] = &mut texts;
        prompt_id.append_value(row.identity.prompt_id());
        prompt.append_value(&row.text);
        category.append_option(row.category.as_deref());
        split.append_option(row.split.as_deref());
        source.append_value(&row.source);
        lines.append_value(row.line);
    }
    let mut columns: Vec<ArrayRef> = texts
        .iter_mut()
        .map(|builder| Arc::new(builder.finish()) as ArrayRef)
        .collect();
    columns.push(Arc::new(lines.finish()));
    RecordBatch::try_new(schema::prompts(), columns)
}
