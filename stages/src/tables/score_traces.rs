//! The terms behind scores, one per timestep, wherever they are kept: with the candidates or with their scores.
//!
//! A score `X` has them in a column `X_trace` beside `timesteps`. Names that begin with `mi` are weighed sums, whose
//! weights stand in `mi_weights`; the others are plain means.

use std::collections::BTreeMap;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, UInt32Type};
use mitune_store::{Artifact, Store};

use super::candidate_index::CandidateIndex;
use super::columns::{ColumnError, f32_list, list_column, number_column, string_column};
use super::score_column_error::ScoreColumnError;

const SUFFIX: &str = "_trace";
const TIMESTEPS: &str = "timesteps";
const WEIGHTS: &str = "mi_weights";

/// The terms of one score for every candidate of an index, in its order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ScoreTrace {
    /// The name of the score.
    pub(crate) name: String,
    pub(crate) timesteps: Vec<i32>,
    /// The weight of each timestep; none where the table does not say.
    pub(crate) weights: Option<Vec<f32>>,
    /// One term per timestep, for each candidate.
    pub(crate) terms: Vec<Vec<f32>>,
}

/// Reads the traces of all tables; those that some candidate lacks, or that differ in timesteps, are left out.
pub(crate) fn traces(
    store: &Store,
    tables: &[&Artifact],
    index: &CandidateIndex,
) -> Result<Vec<ScoreTrace>, ScoreColumnError> {
    let mut traces = Vec::new();
    for table in tables {
        let schema = store.artifacts().read_table(table, None)?.schema().clone();
        let names: Vec<&str> = schema
            .fields()
            .iter()
            .map(|field| field.name().as_str())
            .collect();
        if !names.contains(&TIMESTEPS) {
            continue;
        }
        let weighed = names.contains(&WEIGHTS);
        for name in names.iter().filter_map(|name| name.strip_suffix(SUFFIX)) {
            traces.extend(
                Column {
                    store,
                    table,
                    weighed,
                }
                .read(name, index)?,
            );
        }
    }
    Ok(traces)
}

/// A table in which traces stand.
struct Column<'a> {
    store: &'a Store,
    table: &'a Artifact,
    weighed: bool,
}

impl Column<'_> {
    fn read(&self, name: &str, index: &CandidateIndex) -> Result<Option<ScoreTrace>, ScoreColumnError> {
        let column = format!("{name}{SUFFIX}");
        let weighed = self.weighed && name.starts_with("mi");
        let mut columns = vec!["prompt_id", "seed_index", TIMESTEPS, column.as_str()];
        columns.extend(weighed.then_some(WEIGHTS));
        let mut common: Option<(Vec<i32>, Option<Vec<f32>>)> = None;
        let mut terms: BTreeMap<usize, Vec<f32>> = BTreeMap::new();
        for batch in self.store.artifacts().read_table(self.table, Some(&columns))? {
            let batch = batch?;
            let ids = string_column(&batch, "prompt_id")?;
            let seed_indices = number_column::<UInt32Type>(&batch, "seed_index")?.values();
            for (row, &seed_index) in seed_indices.iter().enumerate() {
                let Some(position) = index.position(ids.value(row), seed_index) else {
                    continue;
                };
                let weights = weighed.then(|| numbers(&batch, WEIGHTS, row)).transpose()?;
                let own = (timesteps(&batch, row)?, weights);
                let values = numbers(&batch, &column, row)?;
                let usable = values.len() == own.0.len() && values.iter().all(|value| value.is_finite());
                if !usable || *common.get_or_insert_with(|| own.clone()) != own {
                    return Ok(None);
                }
                terms.insert(position, values);
            }
        }
        let Some((timesteps, weights)) = common.filter(|_| terms.len() == index.rows().len()) else {
            return Ok(None);
        };
        Ok(Some(ScoreTrace {
            name: name.to_owned(),
            timesteps,
            weights,
            terms: terms.into_values().collect(),
        }))
    }
}

fn numbers(batch: &RecordBatch, column: &str, row: usize) -> Result<Vec<f32>, ColumnError> {
    f32_list(list_column(batch, column)?, column, row)
}

fn timesteps(batch: &RecordBatch, row: usize) -> Result<Vec<i32>, ColumnError> {
    let lists = list_column(batch, TIMESTEPS)?;
    let values = lists.value(row);
    let values = values
        .as_primitive_opt::<Int32Type>()
        .ok_or_else(|| ColumnError::Type {
            column: TIMESTEPS.to_owned(),
            found: lists.value_type().to_string(),
            expected: "a list of i32",
        })?;
    Ok(values.values().to_vec())
}
