//! The computation of the stage.

use mitune_store::Artifact;

use super::column::{CompareColumnError, Row, read};
use super::config::Compare;
use super::report::{ColumnComparison, ComparisonError, Measure};
use crate::contract::{StageContext, StageError, StageOutput, Work};

/// Kinds of failure at most: each is resampled for every arm, and a column of other words has one for every image.
const MOST_KINDS: usize = 100;

/// A column of words that are no kinds of failure.
#[derive(Debug, thiserror::Error)]
#[error(
    "Column `{column}` has {found} different words, at most {} are kinds of failure",
    MOST_KINDS
)]
struct TooManyKinds {
    column: String,
    found: usize,
}

impl Compare {
    pub(super) fn compare(&self, context: &StageContext<'_>) -> Result<StageOutput, StageError> {
        let tables = context.inputs("tables");
        context.progress().begin(Work {
            total: tables.len() as u64,
            reused: 0,
            unit: "arms",
        });
        let arms = tables
            .iter()
            .map(|table| self.rows(context, table))
            .collect::<Result<Vec<_>, _>>()?;
        let baseline = context
            .optional_input("baseline")
            .map(|table| self.rows(context, table))
            .transpose()?;
        let measure = Measure::of(&arms, baseline.as_deref(), &self.config.bootstrap);
        self.check_kinds(measure.kinds.len())?;
        let mut measured = Vec::with_capacity(arms.len());
        for rows in &arms {
            context.check_cancelled()?;
            measured.push(measure.arm(rows, measure.baseline).map_err(comparison_error)?);
            context.progress().advance(1);
        }
        let baseline = baseline.as_deref().map(|rows| measure.arm(rows, None));
        let report = ColumnComparison {
            column: self.config.column.clone(),
            failure: self.config.failure.clone(),
            bootstrap: self.config.bootstrap,
            baseline: baseline.transpose().map_err(comparison_error)?,
            arms: measured,
        };
        let images: u64 = report.arms.iter().map(|arm| arm.images).sum();
        let summary = context.store().put_json(&report)?;
        Ok(StageOutput::one("summary", summary)
            .with_metric("headline", report.headline())
            .with_metric("arms", report.arms.len())
            .with_metric("images", images))
    }

    fn check_kinds(&self, found: usize) -> Result<(), StageError> {
        match &self.config.failure {
            Some(column) if found > MOST_KINDS => Err(StageError::configuration(TooManyKinds {
                column: column.clone(),
                found,
            })),
            _ => Ok(()),
        }
    }

    fn rows(&self, context: &StageContext<'_>, table: &Artifact) -> Result<Vec<Row>, StageError> {
        let Self { config } = self;
        read(context.store(), table, &config.column, config.failure.as_deref()).map_err(|error| match error {
            CompareColumnError::Store(error) => StageError::Store(error),
            error @ CompareColumnError::Unknown { .. } => StageError::configuration(error),
            error => StageError::failed(error),
        })
    }
}

fn comparison_error(error: ComparisonError) -> StageError {
    match error {
        ComparisonError::Baseline(_) => StageError::configuration(error),
        error => StageError::failed(error),
    }
}
