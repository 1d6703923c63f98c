//! Columns of numbers about candidates, wherever they are: with the candidates, in scores, in an evaluation.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, UInt32Type};
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, Schema};
use mitune_store::{Artifact, Store, StoreError};

use super::candidate_index::CandidateIndex;
use super::columns::{ColumnError, number_column, string_column};
use crate::suggestion::{closest, did_you_mean};

/// Name of the column that comes with candidates.
pub(crate) const MI: &str = "mi";
/// Name of the column that says with 1 or 0 whether an image is aligned.
pub(crate) const ORACLE: &str = "oracle";

/// Columns that candidates of earlier versions lack.
const SINCE_MODES: [&str; 2] = ["mi_paper", "mi_reference"];

const ALIGNED: &str = "aligned";
const PROMPT_ID: &str = "prompt_id";
const SEED_INDEX: &str = "seed_index";

/// The tables in which columns are looked for.
pub(crate) struct ScoreTables<'a> {
    pub(crate) store: &'a Store,
    pub(crate) candidates: &'a Artifact,
    pub(crate) scores: &'a [Artifact],
    pub(crate) evaluation: Option<&'a Artifact>,
}

/// Why a column does not give every candidate a number.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScoreColumnError {
    #[error("No score `{name}` among {found}{}", did_you_mean(.suggestion))]
    Unknown {
        name: String,
        suggestion: Option<String>,
        found: String,
    },
    #[error(
        "No score `{name}` among {found}: an earlier version generated these candidates; generate them again"
    )]
    Earlier { name: String, found: String },
    #[error("Score `{name}` is in {tables} of the connected tables, expected one")]
    Ambiguous { name: String, tables: usize },
    #[error("Candidate `{seed_index}` of prompt `{prompt_id}` has no `{name}`")]
    Missing {
        name: String,
        prompt_id: String,
        seed_index: u32,
    },
    #[error("Candidate `{seed_index}` of prompt `{prompt_id}` has `{name}` twice")]
    Twice {
        name: String,
        prompt_id: String,
        seed_index: u32,
    },
    #[error(
        "`{name}` of candidate `{seed_index}` of prompt `{prompt_id}` is `{value}`, expected a finite number"
    )]
    NotFinite {
        name: String,
        prompt_id: String,
        seed_index: u32,
        value: f64,
    },
    #[error("Scores could not be read")]
    Store(#[from] StoreError),
    #[error("Scores could not be read")]
    Column(#[from] ColumnError),
}

/// Where a column was found, under the name it has there.
struct Found<'a> {
    name: String,
    table: &'a Artifact,
    column: String,
}

impl ScoreTables<'_> {
    /// The names of all columns, those of the candidates first.
    pub(crate) fn names(&self) -> Result<Vec<String>, ScoreColumnError> {
        let mut names: Vec<String> = self.found()?.into_iter().map(|found| found.name).collect();
        let mut seen = std::collections::BTreeSet::new();
        names.retain(|name| seen.insert(name.clone()));
        Ok(names)
    }

    /// The numbers of one column, one for each candidate of the index, in its order.
    pub(crate) fn values(&self, name: &str, index: &CandidateIndex) -> Result<Vec<f64>, ScoreColumnError> {
        self.complete(name, index, self.sparse(name, index)?)
    }

    /// The same, or none where no candidate has a number, as with a mode that a run has no timestep for.
    pub(crate) fn values_if_any(
        &self,
        name: &str,
        index: &CandidateIndex,
    ) -> Result<Option<Vec<f64>>, ScoreColumnError> {
        let values = self.sparse(name, index)?;
        match values.iter().all(Option::is_none) {
            true => Ok(None),
            false => self.complete(name, index, values).map(Some),
        }
    }

    fn sparse(&self, name: &str, index: &CandidateIndex) -> Result<Vec<Option<f64>>, ScoreColumnError> {
        let found: Vec<Found<'_>> = self
            .found()?
            .into_iter()
            .filter(|found| found.name == name)
            .collect();
        match found.as_slice() {
            [] => Err(self.unknown(name, &[])?),
            [found] => self.read(found, index),
            _ => Err(ScoreColumnError::Ambiguous {
                name: name.to_owned(),
                tables: found.len(),
            }),
        }
    }

    /// The error for a column that is nowhere; `others` are names that would work besides the columns.
    pub(crate) fn unknown(&self, name: &str, others: &[&str]) -> Result<ScoreColumnError, ScoreColumnError> {
        let mut names = self.names()?;
        names.extend(others.iter().map(|other| (*other).to_owned()));
        let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        let (name, found) = (name.to_owned(), quoted.join(", "));
        if SINCE_MODES.contains(&name.as_str()) {
            return Ok(ScoreColumnError::Earlier { name, found });
        }
        let suggestion = closest(&name, names.iter().map(String::as_str)).map(str::to_owned);
        Ok(ScoreColumnError::Unknown {
            name,
            suggestion,
            found,
        })
    }

    fn found(&self) -> Result<Vec<Found<'_>>, ScoreColumnError> {
        let mut found = Vec::new();
        for table in std::iter::once(self.candidates).chain(self.scores) {
            let schema = self.store.read_table(table, None)?.schema().clone();
            found.extend(numbers(&schema).map(|name| Found {
                column: name.clone(),
                name,
                table,
            }));
        }
        found.extend(self.evaluation.map(|table| Found {
            name: ORACLE.to_owned(),
            table,
            column: ALIGNED.to_owned(),
        }));
        Ok(found)
    }

    fn read(&self, found: &Found<'_>, index: &CandidateIndex) -> Result<Vec<Option<f64>>, ScoreColumnError> {
        let column = found.column.as_str();
        let mut values: Vec<Option<f64>> = vec![None; index.rows().len()];
        for batch in self
            .store
            .read_table(found.table, Some(&[PROMPT_ID, SEED_INDEX, column]))?
        {
            let batch = batch?;
            let ids = string_column(&batch, PROMPT_ID)?;
            let seed_indices = number_column::<UInt32Type>(&batch, SEED_INDEX)?.values();
            for (row, &seed_index) in seed_indices.iter().enumerate() {
                // Tables may tell more candidates than there are here.
                let Some(position) = index.position(ids.value(row), seed_index) else {
                    continue;
                };
                let Some(value) = value(&batch, column, row) else {
                    continue;
                };
                if values[position].replace(value).is_some() {
                    return Err(ScoreColumnError::Twice {
                        name: found.name.clone(),
                        prompt_id: ids.value(row).to_owned(),
                        seed_index,
                    });
                }
            }
        }
        Ok(values)
    }

    fn complete(
        &self,
        name: &str,
        index: &CandidateIndex,
        values: Vec<Option<f64>>,
    ) -> Result<Vec<f64>, ScoreColumnError> {
        let finite = |(row, value): (usize, Option<f64>)| {
            let row = index.rows()[row];
            let (name, prompt_id) = (name.to_owned(), index.prompt(row).id.clone());
            let seed_index = row.seed_index;
            match value {
                Some(value) if value.is_finite() => Ok(value),
                Some(value) => Err(ScoreColumnError::NotFinite {
                    name,
                    prompt_id,
                    seed_index,
                    value,
                }),
                None => Err(ScoreColumnError::Missing {
                    name,
                    prompt_id,
                    seed_index,
                }),
            }
        };
        values.into_iter().enumerate().map(finite).collect()
    }
}

/// The names of the columns that hold a number for each row.
fn numbers(schema: &Schema) -> impl Iterator<Item = String> {
    let fields = schema
        .fields()
        .iter()
        .filter(|field| *field.data_type() == DataType::Float64);
    fields.map(|field| field.name().clone())
}

/// A number, or a truth value as 1 or 0; none where it is null.
pub(crate) fn value(batch: &RecordBatch, column: &str, row: usize) -> Option<f64> {
    let column = &batch[column];
    if column.is_null(row) {
        return None;
    }
    match column.as_boolean_opt() {
        Some(flags) => Some(f64::from(u8::from(flags.value(row)))),
        None => column
            .as_primitive_opt::<Float64Type>()
            .map(|numbers| numbers.value(row)),
    }
}
