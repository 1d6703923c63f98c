//! The computation of the stage.

use mitune_store::Artifact;

use super::column::{CompareColumnError, Row};
use super::config::Compare;
use super::groups::{GroupError, Groups};
use super::pairs::Pairs;
use super::report::{ColumnComparison, Measure};
use crate::contract::{StageContext, StageError, StageOutput, Work};
use crate::tables::matching::MatchError;

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

/// An arm of other candidates than the baseline.
#[derive(Debug, thiserror::Error)]
#[error("An arm cannot be compared with the baseline")]
struct OtherCandidates(#[source] MatchError);

impl Compare {
    pub(super) fn compare(&self, context: &StageContext<'_>) -> Result<StageOutput, StageError> {
        let tables = context.inputs("tables");
        self.check_arms(tables.len()).map_err(StageError::configuration)?;
        self.check_groups().map_err(StageError::configuration)?;
        context.progress().begin(Work {
            total: tables.len() as u64,
            reused: 0,
            unit: "arms",
        });
        let places: Vec<String> = (0..tables.len())
            .map(|arm| self.inputs.name_in_list("tables", arm))
            .collect();
        let arms = tables
            .iter()
            .zip(&places)
            .map(|(table, place)| self.rows(context, table, place))
            .collect::<Result<Vec<_>, _>>()?;
        let baseline_place = self.inputs.name("baseline");
        let baseline = context
            .optional_input("baseline")
            .map(|table| self.rows(context, table, &baseline_place))
            .transpose()?;
        let groups = self.groups(context).map_err(group_error)?;
        for (rows, place) in arms.iter().zip(&places) {
            let checked = groups.as_ref().map_or(Ok(()), |groups| groups.check(rows, place));
            checked.map_err(group_error)?;
        }
        let measure = Measure::of(
            &arms,
            baseline.as_deref(),
            groups.as_ref(),
            &self.config.bootstrap,
        );
        self.check_kinds(measure.kinds.len())?;
        let mut measured = Vec::with_capacity(arms.len());
        for (arm, rows) in arms.iter().enumerate() {
            context.check_cancelled()?;
            let after = (rows.as_slice(), places[arm].as_str());
            let pairs = baseline
                .as_deref()
                .map(|before| Pairs::of((before, baseline_place.as_str()), after))
                .transpose()
                .map_err(|error| StageError::configuration(OtherCandidates(error)))?;
            let name = self.name(arm);
            measured.push(
                measure
                    .arm(name, rows, pairs.as_ref())
                    .map_err(StageError::failed)?,
            );
            context.progress().advance(1);
        }
        // The stage it comes from is not in the key, and so not in the result.
        let baseline = baseline
            .as_deref()
            .map(|rows| measure.arm("baseline".to_owned(), rows, None));
        let report = ColumnComparison {
            column: self.config.column.clone(),
            failure: self.config.failure.clone(),
            group_by: self.config.group_by.clone(),
            bootstrap: self.config.bootstrap,
            baseline: baseline.transpose().map_err(StageError::failed)?,
            arms: measured,
        };
        let images: u64 = report.arms.iter().map(|arm| arm.images).sum();
        let summary = context.store().artifacts().put_json(&report)?;
        Ok(StageOutput::one("summary", summary)
            .with_metric("headline", report.headline())
            .with_metric("arms", report.arms.len())
            .with_metric("images", images))
    }

    /// The name of an arm in the result.
    fn name(&self, arm: usize) -> String {
        let set = self.config.names.get(arm).cloned();
        set.unwrap_or_else(|| format!("tables[{arm}]"))
    }

    /// The groups of all prompts, if arms are measured by groups.
    fn groups(&self, context: &StageContext<'_>) -> Result<Option<Groups>, GroupError> {
        let Some(column) = &self.config.group_by else {
            return Ok(None);
        };
        let tables = context.inputs("prompts").iter().enumerate();
        let named = tables.map(|(position, table)| (table, self.inputs.name_in_list("prompts", position)));
        Groups::read(context.store(), named, column).map(Some)
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

    fn rows(
        &self,
        context: &StageContext<'_>,
        table: &Artifact,
        place: &str,
    ) -> Result<Vec<Row>, StageError> {
        let read = self.columns().read(context.store(), table, place);
        read.map_err(|error| match error {
            CompareColumnError::Store(error) => StageError::Store(error),
            error @ CompareColumnError::Unknown { .. } => StageError::configuration(error),
            error => StageError::failed(error),
        })
    }
}

fn group_error(error: GroupError) -> StageError {
    match error {
        GroupError::Store(error) => StageError::Store(error),
        error @ GroupError::Column { .. } => StageError::failed(error),
        error => StageError::configuration(error),
    }
}
