//! A column of numbers about candidates, out of any table that has one.

use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use arrow_array::{Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Schema};
use mitune_store::{Artifact, Store, StoreError};

use crate::suggestion::{closest, did_you_mean};
use crate::tables::columns::{ColumnError, number_column, string_column};
use crate::tables::score_columns::value;

/// What a table says of one candidate.
pub(super) struct Row {
    pub(super) prompt_id: String,
    pub(super) seed_index: u32,
    /// None where the table has no number for it.
    pub(super) value: Option<f64>,
    /// The kind of its failure, if it has one.
    pub(super) failure: Option<String>,
}

/// A table that does not have what is to be compared.
#[derive(Debug, thiserror::Error)]
pub(super) enum CompareColumnError {
    #[error("Table has no column `{name}` of {expected}; it has {found}{}", did_you_mean(.suggestion))]
    Unknown {
        name: String,
        expected: &'static str,
        found: String,
        suggestion: Option<String>,
    },
    #[error("Table could not be read")]
    Column(#[from] ColumnError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Reads the rows of a table in its order.
pub(super) fn read(
    store: &Store,
    table: &Artifact,
    column: &str,
    failure: Option<&str>,
) -> Result<Vec<Row>, CompareColumnError> {
    let schema = store.read_table(table, None)?.schema().clone();
    find(&schema, column, "numbers", |kind| {
        matches!(kind, DataType::Float64 | DataType::Boolean)
    })?;
    if let Some(failure) = failure {
        find(&schema, failure, "words", |kind| *kind == DataType::Utf8)?;
    }
    let mut columns = vec!["prompt_id", "seed_index", column];
    columns.extend(failure);
    let mut rows = Vec::new();
    for batch in store.read_table(table, Some(&columns))? {
        add(&mut rows, &batch?, column, failure)?;
    }
    Ok(rows)
}

fn add(
    rows: &mut Vec<Row>,
    batch: &RecordBatch,
    column: &str,
    failure: Option<&str>,
) -> Result<(), CompareColumnError> {
    let prompt_ids = string_column(batch, "prompt_id")?;
    let seed_indices = number_column::<UInt32Type>(batch, "seed_index")?.values();
    let failures: Option<&StringArray> = failure.and_then(|name| batch[name].as_string_opt::<i32>());
    for (row, &seed_index) in seed_indices.iter().enumerate() {
        let failure = failures.filter(|failures| failures.is_valid(row));
        rows.push(Row {
            prompt_id: prompt_ids.value(row).to_owned(),
            seed_index,
            value: value(batch, column, row),
            failure: failure.map(|failures| failures.value(row).to_owned()),
        });
    }
    Ok(())
}

/// Checks that there is a column of a type; the error names those of the type that there are.
fn find(
    schema: &Schema,
    name: &str,
    expected: &'static str,
    fits: impl Fn(&DataType) -> bool,
) -> Result<(), CompareColumnError> {
    let names_a_row = |name: &str| ["prompt_id", "seed_index"].contains(&name);
    let fitting = schema
        .fields()
        .iter()
        .filter(|field| fits(field.data_type()) && !names_a_row(field.name()));
    let names: Vec<&str> = fitting.map(|field| field.name().as_str()).collect();
    if names.contains(&name) {
        return Ok(());
    }
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    Err(CompareColumnError::Unknown {
        name: name.to_owned(),
        expected,
        found: match quoted.is_empty() {
            true => "none".to_owned(),
            false => quoted.join(", "),
        },
        suggestion: closest(name, names.iter().copied()).map(str::to_owned),
    })
}
