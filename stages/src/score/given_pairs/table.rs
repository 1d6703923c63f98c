//! Scored pairs as a table.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use mitune_diffusion::forward_scores::ForwardScores;

use super::{PairScoring, ScoredPair};

type ScoreOf = fn(&ForwardScores) -> f64;

/// The scores after the first, in the order of the table.
const SCORES: [(&str, ScoreOf); 5] = [
    ("mi_signed", |scores| scores.mi_signed),
    ("itm", |scores| scores.itm),
    ("itm_normalised", |scores| scores.itm_normalised),
    ("itm_squared", |scores| scores.itm_squared),
    ("itm_squared_normalised", |scores| scores.itm_squared_normalised),
];

impl ScoredPair {
    /// The scores by the names of their columns.
    pub fn named_scores(&self, scoring: &PairScoring) -> Vec<(&'static str, f64)> {
        let rest = SCORES.iter().map(|(name, of)| (*name, of(&self.scores)));
        std::iter::once((scoring.mi_column(), self.scores.mi_forward))
            .chain(rest)
            .collect()
    }
}

/// The columns of the table, with the settings that its scores depend on as metadata.
pub(super) fn schema(scoring: &PairScoring) -> SchemaRef {
    let mut fields = vec![
        Field::new("image", DataType::Utf8, true),
        Field::new("prompt", DataType::Utf8, false),
        Field::new(scoring.mi_column(), DataType::Float64, false),
    ];
    fields.extend(SCORES.map(|(name, _)| Field::new(name, DataType::Float64, false)));
    Arc::new(Schema::new_with_metadata(fields, metadata(scoring)))
}

fn metadata(scoring: &PairScoring) -> HashMap<String, String> {
    let PairScoring {
        timesteps,
        noises,
        seed,
        noise,
        mode,
        posterior,
    } = scoring;
    // They are plain names and numbers, which always have a form.
    let json = |value: serde_json::Result<serde_json::Value>| match value {
        Ok(serde_json::Value::String(text)) => text,
        value => value.unwrap_or_default().to_string(),
    };
    let entries = [
        ("timesteps", json(serde_json::to_value(timesteps))),
        ("noises", noises.to_string()),
        ("seed", seed.to_string()),
        ("noise", json(serde_json::to_value(noise))),
        ("mode", json(serde_json::to_value(mode))),
        ("posterior", posterior.name().to_owned()),
    ];
    entries
        .into_iter()
        .map(|(name, value)| (format!("mitune.{name}"), value))
        .collect()
}

/// Builds the table.
pub(super) fn table(schema: &SchemaRef, pairs: &[ScoredPair]) -> Result<RecordBatch, ArrowError> {
    let column = |of: &dyn Fn(&ForwardScores) -> f64| -> ArrayRef {
        Arc::new(Float64Array::from_iter_values(
            pairs.iter().map(|pair| of(&pair.scores)),
        ))
    };
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter(
            pairs.iter().map(|pair| pair.image.as_deref()),
        )),
        Arc::new(StringArray::from_iter_values(
            pairs.iter().map(|pair| &pair.prompt),
        )),
        column(&|scores| scores.mi_forward),
    ];
    columns.extend(SCORES.iter().map(|(_, of)| column(of)));
    RecordBatch::try_new(schema.clone(), columns)
}
