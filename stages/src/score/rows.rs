//! Scores as rows of their table.

use std::sync::Arc;

use arrow_array::builder::{Float32Builder, Int32Builder, ListBuilder};
use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray, UInt32Array};
use arrow_schema::{ArrowError, SchemaRef};
use mitune_diffusion::forward_scores::{ForwardErrors, ForwardScorer, ForwardScores, ForwardTraces};

use super::latents::Finished;
use crate::tables::schema::scores_with_traces;

type ScoreOf = fn(&ForwardScores) -> f64;
type TraceOf = fn(&ForwardTraces) -> &[f64];

/// The scores, in the order of the table.
const SCORES: [(&str, ScoreOf); 6] = [
    ("mi_signed", |scores| scores.mi_signed),
    ("mi_forward", |scores| scores.mi_forward),
    ("itm", |scores| scores.itm),
    ("itm_normalised", |scores| scores.itm_normalised),
    ("itm_squared", |scores| scores.itm_squared),
    ("itm_squared_normalised", |scores| scores.itm_squared_normalised),
];

/// The scores whose terms are kept.
const TRACES: [(&str, TraceOf); 4] = [
    ("mi_signed", |traces| &traces.mi_signed),
    ("mi_forward", |traces| &traces.mi_forward),
    ("itm", |traces| &traces.itm),
    ("itm_normalised", |traces| &traces.itm_normalised),
];

/// One row to be.
pub(super) struct ScoredRow<'a> {
    pub(super) candidate: &'a Finished,
    pub(super) errors: &'a [ForwardErrors],
}

/// The columns of the table.
pub(super) fn schema() -> SchemaRef {
    scores_with_traces(&SCORES.map(|(name, _)| name), &TRACES.map(|(name, _)| name))
}

/// Builds a batch of the table.
pub(super) fn batch(scorer: &ForwardScorer, rows: &[ScoredRow<'_>]) -> Result<RecordBatch, ArrowError> {
    let scores: Vec<ForwardScores> = rows.iter().map(|row| scorer.scores(row.errors)).collect();
    let traces: Vec<ForwardTraces> = rows.iter().map(|row| scorer.traces(row.errors)).collect();
    let timesteps: Vec<i32> = scorer.timesteps().map(|timestep| timestep as i32).collect();
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(
            rows.iter().map(|row| &row.candidate.prompt_id),
        )),
        Arc::new(UInt32Array::from_iter_values(
            rows.iter().map(|row| row.candidate.seed_index),
        )),
    ];
    for (_, of) in SCORES {
        columns.push(Arc::new(Float64Array::from_iter_values(scores.iter().map(of))));
    }
    let mut list = ListBuilder::new(Int32Builder::new());
    for _ in rows {
        list.append_value(timesteps.iter().copied().map(Some));
    }
    columns.push(Arc::new(list.finish()));
    columns.push(lists(rows.iter().map(|_| scorer.weights())));
    for (_, of) in TRACES {
        columns.push(lists(traces.iter().map(of)));
    }
    RecordBatch::try_new(schema(), columns)
}

fn lists<'a>(rows: impl Iterator<Item = &'a [f64]>) -> ArrayRef {
    let mut list = ListBuilder::new(Float32Builder::new());
    for row in rows {
        list.append_value(row.iter().map(|&value| Some(value as f32)));
    }
    Arc::new(list.finish())
}
