//! Judged pairs as a table.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};

use super::JudgedPair;
use crate::judges::JudgeKind;

/// The columns of the table, with the judge and its settings as metadata.
pub(super) fn schema(judge: &JudgeKind) -> SchemaRef {
    let fields = vec![
        Field::new("image", DataType::Utf8, true),
        Field::new("prompt", DataType::Utf8, false),
        Field::new("score", DataType::Float64, false),
    ];
    // They are plain names, numbers and paths, which always have a form.
    let judge = serde_json::to_string(judge).unwrap_or_default();
    let metadata = HashMap::from([("mitune.judge".to_owned(), judge)]);
    Arc::new(Schema::new_with_metadata(fields, metadata))
}

/// Builds the table.
pub(super) fn table(schema: &SchemaRef, pairs: &[JudgedPair]) -> Result<RecordBatch, ArrowError> {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter(
            pairs.iter().map(|pair| pair.image.as_deref()),
        )),
        Arc::new(StringArray::from_iter_values(
            pairs.iter().map(|pair| &pair.prompt),
        )),
        Arc::new(Float64Array::from_iter_values(
            pairs.iter().map(|pair| pair.score),
        )),
    ];
    RecordBatch::try_new(schema.clone(), columns)
}
