//! Columns of numbers about candidates, wherever they are: with the candidates, in scores, in an evaluation.

use std::collections::BTreeSet;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, UInt32Type};
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, Schema};
use mitune_store::{Artifact, Store};

use super::candidate_index::{CandidateIndex, IndexedRow};
use super::columns::{number_column, string_column};
use super::score_column_error::{Lack, ScoreColumnError};
use crate::contract::KnownInputs;
use crate::suggestion::closest;

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
    /// What is known of the inputs of the stage, whose ports have the names of these fields.
    pub(crate) inputs: &'a KnownInputs,
}

/// Where a column was found, under the name it has there.
struct Found<'a> {
    name: String,
    table: &'a Artifact,
    column: String,
    /// Names the table in messages.
    place: String,
}

/// What a table says in one column of the candidates of an index, in its order.
struct Read {
    values: Vec<Option<f64>>,
    /// Which candidates have a row.
    known: Vec<bool>,
    place: String,
}

impl ScoreTables<'_> {
    /// The names of all columns, those of the candidates first.
    pub(crate) fn names(&self) -> Result<Vec<String>, ScoreColumnError> {
        let mut names: Vec<String> = self.found()?.into_iter().map(|found| found.name).collect();
        let mut seen = BTreeSet::new();
        names.retain(|name| seen.insert(name.clone()));
        Ok(names)
    }

    /// The numbers of one column, one for each candidate of the index, in its order.
    pub(crate) fn values(&self, name: &str, index: &CandidateIndex) -> Result<Vec<f64>, ScoreColumnError> {
        complete(name, index, self.sparse(name, index)?)
    }

    /// The same, or none where every candidate has a row and none a number, as with a mode that a run has no timestep
    /// for.
    pub(crate) fn values_if_any(
        &self,
        name: &str,
        index: &CandidateIndex,
    ) -> Result<Option<Vec<f64>>, ScoreColumnError> {
        let read = self.sparse(name, index)?;
        let without = read.values.iter().all(Option::is_none) && read.known.iter().all(|&known| known);
        match without {
            true => Ok(None),
            false => complete(name, index, read).map(Some),
        }
    }

    fn sparse(&self, name: &str, index: &CandidateIndex) -> Result<Read, ScoreColumnError> {
        let found: Vec<Found<'_>> = self
            .found()?
            .into_iter()
            .filter(|found| found.name == name)
            .collect();
        match found.as_slice() {
            [] => Err(self.unknown(name, &[])?),
            [found] => self.read(found, index),
            found => Err(ambiguous(name, found.len())),
        }
    }

    /// The error for a column that is nowhere; `others` are names that would work besides the columns.
    pub(crate) fn unknown(&self, name: &str, others: &[&str]) -> Result<ScoreColumnError, ScoreColumnError> {
        let mut names = self.names()?;
        names.extend(others.iter().map(|other| (*other).to_owned()));
        Ok(unknown_among(name, &names))
    }

    fn found(&self) -> Result<Vec<Found<'_>>, ScoreColumnError> {
        let mut found = Vec::new();
        let scores = self.scores.iter().enumerate();
        let scores = scores.map(|(position, table)| (table, self.inputs.name_in_list("scores", position)));
        let candidates = (self.candidates, self.inputs.name("candidates"));
        for (table, place) in std::iter::once(candidates).chain(scores) {
            let schema = self.store.artifacts().read_table(table, None)?.schema().clone();
            found.extend(numbers(&schema).map(|name| Found {
                column: name.clone(),
                name,
                table,
                place: place.clone(),
            }));
        }
        found.extend(self.evaluation.map(|table| Found {
            name: ORACLE.to_owned(),
            table,
            column: ALIGNED.to_owned(),
            place: self.inputs.name("evaluation"),
        }));
        Ok(found)
    }

    fn read(&self, found: &Found<'_>, index: &CandidateIndex) -> Result<Read, ScoreColumnError> {
        let column = found.column.as_str();
        let mut read = Read {
            values: vec![None; index.rows().len()],
            known: vec![false; index.rows().len()],
            place: found.place.clone(),
        };
        for batch in self
            .store
            .artifacts()
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
                read.known[position] = true;
                let Some(value) = value(&batch, column, row) else {
                    continue;
                };
                if read.values[position].replace(value).is_some() {
                    return Err(ScoreColumnError::Twice {
                        name: found.name.clone(),
                        prompt_id: ids.value(row).to_owned(),
                        seed_index,
                        table: found.place.clone(),
                    });
                }
            }
        }
        Ok(read)
    }
}

/// Checks that one table has a column and no other does, as far as the inputs of a stage tell before they are there.
///
/// `others` are names that would work besides the columns.
pub(crate) fn check_known(inputs: &KnownInputs, name: &str, others: &[&str]) -> Result<(), ScoreColumnError> {
    let (mut names, complete) = known_names(inputs);
    match names.iter().filter(|&known| known == name).count() {
        0 if complete => {
            names.extend(others.iter().map(|other| (*other).to_owned()));
            Err(unknown_among(name, &names))
        }
        0 | 1 => Ok(()),
        tables => Err(ambiguous(name, tables)),
    }
}

/// Checks that no two tables have a column of one name, as far as the inputs of a stage tell before they are there.
pub(crate) fn check_known_apart(inputs: &KnownInputs) -> Result<(), ScoreColumnError> {
    let (names, _) = known_names(inputs);
    let mut seen = BTreeSet::new();
    match names.iter().find(|&name| !seen.insert(name)) {
        Some(name) => Err(ambiguous(
            name,
            names.iter().filter(|&known| known == name).count(),
        )),
        None => Ok(()),
    }
}

/// The names of the columns of every table whose columns are known, and whether those of all are.
fn known_names(inputs: &KnownInputs) -> (Vec<String>, bool) {
    let mut names = Vec::new();
    let mut complete = true;
    for input in inputs.of("candidates").iter().chain(inputs.of("scores")) {
        match &input.columns {
            Some(columns) => names.extend(numbers(columns)),
            None => complete = false,
        }
    }
    let evaluated = !inputs.of("evaluation").is_empty();
    names.extend(evaluated.then(|| ORACLE.to_owned()));
    (names, complete)
}

fn ambiguous(name: &str, tables: usize) -> ScoreColumnError {
    ScoreColumnError::Ambiguous {
        name: name.to_owned(),
        tables,
    }
}

/// The error for a column that is none of these.
fn unknown_among(name: &str, names: &[String]) -> ScoreColumnError {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    let (name, found) = (name.to_owned(), quoted.join(", "));
    // Given images have no mutual information of a generation, whatever the version.
    if SINCE_MODES.contains(&name.as_str()) && names.iter().any(|known| known == MI) {
        return ScoreColumnError::Earlier { name, found };
    }
    let suggestion = closest(&name, names.iter().map(String::as_str)).map(str::to_owned);
    ScoreColumnError::Unknown {
        name,
        suggestion,
        found,
    }
}

/// Checks that every candidate has a finite number.
fn complete(name: &str, index: &CandidateIndex, read: Read) -> Result<Vec<f64>, ScoreColumnError> {
    let of = |row: IndexedRow| (name.to_owned(), index.prompt(row).id.clone(), row.seed_index);
    let finite = |(position, value): (usize, &Option<f64>)| match value {
        Some(value) if value.is_finite() => Ok(*value),
        Some(value) => {
            let (name, prompt_id, seed_index) = of(index.rows()[position]);
            Err(ScoreColumnError::NotFinite {
                name,
                prompt_id,
                seed_index,
                value: *value,
            })
        }
        None => {
            let (name, prompt_id, seed_index) = of(index.rows()[position]);
            Err(ScoreColumnError::Missing {
                name,
                prompt_id,
                seed_index,
                lack: read.lack(position),
            })
        }
    };
    read.values.iter().enumerate().map(finite).collect()
}

impl Read {
    /// What the table lacks of a candidate.
    fn lack(&self, position: usize) -> Lack {
        let (table, candidates) = (self.place.clone(), self.known.len());
        match self.known.iter().filter(|&&known| known).count() {
            _ if self.known[position] => Lack::Number { table },
            0 => Lack::AnyRow { table, candidates },
            known => Lack::Row {
                table,
                known,
                candidates,
            },
        }
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
