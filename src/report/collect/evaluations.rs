//! What evaluation stages read off images.

use arrow_array::Array;
use arrow_array::types::UInt32Type;
use mitune_stages::columns::{number_column, string_column};
use mitune_stages::evaluation::rows::EvaluationRow;
use mitune_stages::shapes::alignment::Failure;
use mitune_stages::statistics::bootstrap::BootstrapSettings;
use mitune_store::{Store, Value};

use super::super::error::ReportError;
use super::graph::{RunGraph, RunStage};
use super::tables::{Table, boolean_column};

/// What a stage read off the images of a pool.
pub(super) struct Evaluation {
    pub(super) stage: usize,
    pub(super) rows: Vec<EvaluationRow>,
    /// How the stage makes its intervals, so that the report's agree with its own.
    pub(super) bootstrap: BootstrapSettings,
}

/// Reads the rows of an evaluation stage; none if it yields no such table.
pub(super) fn evaluation(
    store: &Store,
    graph: &RunGraph,
    stage: usize,
    bootstrap: BootstrapSettings,
) -> Result<Option<Evaluation>, ReportError> {
    let Some(record) = &graph.stages[stage].record else {
        return Ok(None);
    };
    for output in record.outputs.keys() {
        let Some(source) = graph
            .output(stage, output)
            .filter(|found| found.artifact.rows.is_some())
        else {
            continue;
        };
        let table = Table { store, graph, source };
        let columns = table.columns()?;
        if columns.iter().any(|column| column == "aligned") {
            return Ok(Some(Evaluation {
                stage,
                rows: rows(table)?,
                bootstrap: settings(store, &graph.stages[stage], bootstrap)?,
            }));
        }
    }
    Ok(None)
}

fn rows(table: Table<'_>) -> Result<Vec<EvaluationRow>, ReportError> {
    let mut rows: Vec<EvaluationRow> = Vec::new();
    for batch in table.read(None)? {
        let batch = batch?;
        let text = |name| string_column(&batch, name).map_err(|error| table.column_error(error));
        let flag = |name| boolean_column(&batch, name).map_err(|error| table.column_error(error));
        let (ids, prompts, readings) = (text("prompt_id")?, text("prompt")?, text("read_out")?);
        let seeds =
            number_column::<UInt32Type>(&batch, "seed_index").map_err(|error| table.column_error(error))?;
        let (aligned, objects) = (flag("aligned")?, flag("objects_ok")?);
        let (colours, shapes, binding) = (flag("colours_ok")?, flag("shapes_ok")?, flag("binding_ok")?);
        let failures = text("failure")?;
        for row in 0..batch.num_rows() {
            let failure = match failures.is_valid(row) {
                true => Some(failure(failures.value(row), table, rows.len())?),
                false => None,
            };
            rows.push(EvaluationRow {
                prompt_id: ids.value(row).to_owned(),
                prompt: prompts.value(row).to_owned(),
                seed_index: seeds.value(row),
                aligned: aligned.value(row),
                objects_ok: objects.value(row),
                colours_ok: colours.value(row),
                shapes_ok: shapes.value(row),
                binding_ok: binding.is_valid(row).then(|| binding.value(row)),
                failure,
                reading: readings.value(row).to_owned(),
            });
        }
    }
    Ok(rows)
}

fn failure(name: &str, table: Table<'_>, row: usize) -> Result<Failure, ReportError> {
    let known = Failure::ALL.into_iter().find(|failure| failure.name() == name);
    known.ok_or_else(|| table.value_error("an unknown failure", name, row))
}

fn settings(
    store: &Store,
    stage: &RunStage,
    fallback: BootstrapSettings,
) -> Result<BootstrapSettings, ReportError> {
    let Some(record) = &stage.record else {
        return Ok(fallback);
    };
    let preimage = store
        .read_preimage(&record.preimage)
        .map_err(|source| ReportError::Settings {
            stage: stage.name(),
            source,
        })?;
    let field = |value: &Value, name: &str| match value {
        Value::Map(entries) => entries.get(name).cloned(),
        _ => None,
    };
    let own = field(&preimage, "config").and_then(|config| field(&config, "bootstrap"));
    // Through JSON, which is how the settings were written; another shape is another setting of the same name.
    let parsed = own.and_then(|own| serde_json::from_value(serde_json::to_value(own).ok()?).ok());
    Ok(parsed.unwrap_or(fallback))
}
