//! Scored pairs as a table.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};

use super::ScoredPair;

/// The columns of the table.
pub(super) fn schema() -> SchemaRef {
    let mut fields = vec![
        Field::new("image", DataType::Utf8, true),
        Field::new("prompt", DataType::Utf8, false),
    ];
    let scores = ["mi", "mi_signed", "itm", "itm_normalised"];
    fields.extend(scores.map(|name| Field::new(name, DataType::Float64, false)));
    Arc::new(Schema::new(fields))
}

/// Builds the table.
pub(super) fn table(pairs: &[ScoredPair]) -> Result<RecordBatch, ArrowError> {
    let column = |value: fn(&ScoredPair) -> f64| -> ArrayRef {
        Arc::new(Float64Array::from_iter_values(pairs.iter().map(value)))
    };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter(
            pairs.iter().map(|pair| pair.image.as_deref()),
        )),
        Arc::new(StringArray::from_iter_values(
            pairs.iter().map(|pair| &pair.prompt),
        )),
        column(|pair| pair.mi),
        column(|pair| pair.mi_signed),
        column(|pair| pair.itm),
        column(|pair| pair.itm_normalised),
    ];
    RecordBatch::try_new(schema(), columns)
}
