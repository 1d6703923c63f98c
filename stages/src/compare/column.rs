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
    #[error("{table} has no column `{name}` of {expected}; it has {found}{}", did_you_mean(.suggestion))]
    Unknown {
        table: String,
        name: String,
        expected: &'static str,
        found: String,
        suggestion: Option<String>,
    },
    #[error(
        "`{name}` of candidate `{seed_index}` of prompt `{prompt_id}` is `{value}` in {table}, expected a finite number"
    )]
    NotFinite {
        table: String,
        name: String,
        prompt_id: String,
        seed_index: u32,
        value: f64,
    },
    #[error("{table} could not be read")]
    Column { table: String, source: ColumnError },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The columns that are compared.
#[derive(Clone, Copy)]
pub(super) struct Columns<'a> {
    /// Numbers or truth values.
    pub(super) value: &'a str,
    /// Words that name failures.
    pub(super) failure: Option<&'a str>,
}

impl Columns<'_> {
    /// Checks that a table with these fields has the columns; `table` names it in messages.
    pub(super) fn check(self, schema: &Schema, table: &str) -> Result<(), CompareColumnError> {
        find(schema, table, self.value, "numbers", |kind| {
            matches!(kind, DataType::Float64 | DataType::Boolean)
        })?;
        match self.failure {
            Some(failure) => check_words(schema, table, failure),
            None => Ok(()),
        }
    }

    /// Reads the rows of a table in its order.
    pub(super) fn read(
        self,
        store: &Store,
        artifact: &Artifact,
        table: &str,
    ) -> Result<Vec<Row>, CompareColumnError> {
        let schema = store.artifacts().read_table(artifact, None)?.schema().clone();
        self.check(&schema, table)?;
        let mut columns = vec!["prompt_id", "seed_index", self.value];
        columns.extend(self.failure);
        let mut rows = Vec::new();
        for batch in store.artifacts().read_table(artifact, Some(&columns))? {
            let column_error = |source| CompareColumnError::Column {
                table: table.to_owned(),
                source,
            };
            self.add(&mut rows, &batch?).map_err(column_error)?;
        }
        match rows
            .iter()
            .find(|row| row.value.is_some_and(|value| !value.is_finite()))
        {
            None => Ok(rows),
            Some(row) => Err(CompareColumnError::NotFinite {
                table: table.to_owned(),
                name: self.value.to_owned(),
                prompt_id: row.prompt_id.clone(),
                seed_index: row.seed_index,
                value: row.value.unwrap_or_default(),
            }),
        }
    }

    fn add(self, rows: &mut Vec<Row>, batch: &RecordBatch) -> Result<(), ColumnError> {
        let prompt_ids = string_column(batch, "prompt_id")?;
        let seed_indices = number_column::<UInt32Type>(batch, "seed_index")?.values();
        let failures: Option<&StringArray> = self.failure.and_then(|name| batch[name].as_string_opt::<i32>());
        for (row, &seed_index) in seed_indices.iter().enumerate() {
            let failure = failures.filter(|failures| failures.is_valid(row));
            rows.push(Row {
                prompt_id: prompt_ids.value(row).to_owned(),
                seed_index,
                value: value(batch, self.value, row),
                failure: failure.map(|failures| failures.value(row).to_owned()),
            });
        }
        Ok(())
    }
}

/// Checks that a table has a column of words.
pub(super) fn check_words(schema: &Schema, table: &str, name: &str) -> Result<(), CompareColumnError> {
    find(schema, table, name, "words", |kind| *kind == DataType::Utf8)
}

/// Checks that there is a column of a type; the error names those of the type that there are.
fn find(
    schema: &Schema,
    table: &str,
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
        table: table.to_owned(),
        name: name.to_owned(),
        expected,
        found: match quoted.is_empty() {
            true => "none".to_owned(),
            false => quoted.join(", "),
        },
        suggestion: closest(name, names.iter().copied()).map(str::to_owned),
    })
}
