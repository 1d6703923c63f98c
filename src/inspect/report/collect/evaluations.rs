//! What evaluation stages read off images, and what they measured.

use mitune_stages::evaluate::EvaluationReport;
use mitune_stages::evaluate::measures::rows::EvaluationRow;
use mitune_stages::evaluate::measures::table::evaluation_rows;
use mitune_stages::statistics::bootstrap::BootstrapSettings;
use mitune_store::{ContentDigest, Store, StoreError};

use super::super::error::ReportError;
use super::graph::RunGraph;
use super::tables::Table;

/// What a stage read off the images of a pool.
pub(super) struct Evaluation {
    pub(super) stage: usize,
    /// Content of the table of rows.
    pub(super) content: ContentDigest,
    pub(super) rows: Vec<EvaluationRow>,
    /// What the stage measured itself, which spares measuring it again.
    pub(super) measured: Option<EvaluationReport>,
    /// How intervals are made that the stage did not make.
    pub(super) bootstrap: BootstrapSettings,
}

/// Reads the result of an evaluation stage; none if it yields no rows.
pub(super) fn evaluation(
    store: &Store,
    graph: &RunGraph,
    stage: usize,
    fallback: BootstrapSettings,
) -> Result<Option<Evaluation>, ReportError> {
    let Some(source) = graph.output(stage, "rows") else {
        return Ok(None);
    };
    let table = Table { store, graph, source };
    let mut rows = Vec::new();
    for batch in table.read(None)? {
        rows.extend(
            evaluation_rows(&batch?).map_err(|source| ReportError::Evaluation {
                stage: table.stage(),
                source,
            })?,
        );
    }
    let measured = match graph.output(stage, "summary") {
        Some(summary) => match store.artifacts().read_json::<EvaluationReport>(summary.artifact) {
            Ok(measured) => Some(measured),
            // Written by another version: everything can be measured again from the rows.
            Err(StoreError::Json { .. }) => None,
            Err(error) => {
                return Err(Table {
                    source: summary,
                    ..table
                }
                .error(error));
            }
        },
        None => None,
    };
    Ok(Some(Evaluation {
        stage,
        content: source.artifact.content,
        rows,
        bootstrap: measured.as_ref().map_or(fallback, |measured| measured.bootstrap),
        measured,
    }))
}
