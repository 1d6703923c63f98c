//! Judged images as rows of the table `evaluation`, and back.

use std::sync::Arc;

use arrow_array::types::UInt32Type;
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, StringArray, UInt32Array};
use arrow_schema::ArrowError;
use thiserror::Error;

use super::rows::EvaluationRow;
use crate::shapes::alignment::Failure;
use crate::tables::columns::{ColumnError, boolean_column, number_column, string_column};
use crate::tables::schema;

/// A table of evaluated images that cannot be read.
#[derive(Debug, Error)]
#[expect(missing_docs, reason = "the messages say all")]
pub enum EvaluationTableError {
    #[error("Evaluation could not be read")]
    Column(#[from] ColumnError),
    #[error("Image `{seed_index}` of prompt `{prompt_id}` fails by `{found}`, which is no known failure")]
    Failure {
        prompt_id: String,
        seed_index: u32,
        found: String,
    },
}

/// Builds a batch of the table.
///
/// # Errors
/// Never for rows, but Arrow checks.
pub fn evaluation_batch(rows: &[EvaluationRow]) -> Result<RecordBatch, ArrowError> {
    let text = |value: fn(&EvaluationRow) -> &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(rows.iter().map(value)))
    };
    let flag = |value: fn(&EvaluationRow) -> Option<bool>| -> ArrayRef {
        Arc::new(BooleanArray::from_iter(rows.iter().map(value)))
    };
    let failures = rows.iter().map(|row| row.failure.map(Failure::name));
    let columns = vec![
        text(|row| &row.prompt_id),
        text(|row| &row.prompt),
        Arc::new(UInt32Array::from_iter_values(
            rows.iter().map(|row| row.seed_index),
        )),
        flag(|row| Some(row.aligned)),
        flag(|row| Some(row.objects_ok)),
        flag(|row| Some(row.colours_ok)),
        flag(|row| Some(row.shapes_ok)),
        flag(|row| row.binding_ok),
        Arc::new(StringArray::from_iter(failures)),
        text(|row| &row.reading),
    ];
    RecordBatch::try_new(schema::evaluation(), columns)
}

/// Reads a batch of the table.
///
/// # Errors
/// A column that is missing or of another type, or an unknown failure.
pub fn evaluation_rows(batch: &RecordBatch) -> Result<Vec<EvaluationRow>, EvaluationTableError> {
    let text = |name| string_column(batch, name);
    let flag = |name| boolean_column(batch, name);
    let (prompt_ids, prompts, failures, readings) = (
        text("prompt_id")?,
        text("prompt")?,
        text("failure")?,
        text("read_out")?,
    );
    let seed_indices = number_column::<UInt32Type>(batch, "seed_index")?;
    let (aligned, objects, colours) = (flag("aligned")?, flag("objects_ok")?, flag("colours_ok")?);
    let (shapes, binding) = (flag("shapes_ok")?, flag("binding_ok")?);
    let failure = |row: usize| match failures.is_valid(row) {
        false => Ok(None),
        true => {
            let found = failures.value(row);
            let known = Failure::ALL.into_iter().find(|failure| failure.name() == found);
            known.map(Some).ok_or_else(|| EvaluationTableError::Failure {
                prompt_id: prompt_ids.value(row).to_owned(),
                seed_index: seed_indices.value(row),
                found: found.to_owned(),
            })
        }
    };
    let row = |row: usize| {
        Ok(EvaluationRow {
            prompt_id: prompt_ids.value(row).to_owned(),
            prompt: prompts.value(row).to_owned(),
            seed_index: seed_indices.value(row),
            aligned: aligned.value(row),
            objects_ok: objects.value(row),
            colours_ok: colours.value(row),
            shapes_ok: shapes.value(row),
            binding_ok: binding.is_valid(row).then(|| binding.value(row)),
            failure: failure(row)?,
            reading: readings.value(row).to_owned(),
        })
    };
    (0..batch.num_rows()).map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::measures::summary::tests::row;

    #[test]
    fn every_row_comes_back() {
        let mut rows: Vec<EvaluationRow> = Failure::ALL
            .into_iter()
            .map(|failure| row("p", 1, Some(failure)))
            .collect();
        rows.push(row("q", 7, None));
        rows[0].reading = "red circle".to_owned();
        let batch = evaluation_batch(&rows).unwrap();
        assert_eq!(evaluation_rows(&batch).unwrap(), rows);
    }

    #[test]
    fn failures_of_another_version_are_named() {
        let batch = evaluation_batch(&[row("p", 1, Some(Failure::Binding))]).unwrap();
        let mut columns = batch.columns().to_vec();
        columns[8] = Arc::new(StringArray::from(vec!["posture"]));
        let batch = RecordBatch::try_new(batch.schema(), columns).unwrap();
        let message = evaluation_rows(&batch).unwrap_err().to_string();
        assert_eq!(
            message,
            "Image `1` of prompt `p` fails by `posture`, which is no known failure"
        );
    }
}
