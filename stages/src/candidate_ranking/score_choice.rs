//! The score that the setting `by` of a stage names, and the tables it is in.

use super::Draw;
use crate::contract::{KnownInput, KnownInputs, StageContext, StageError, Work};
use crate::tables::candidate_index::CandidateIndex;
use crate::tables::matching::{FewRows, UnrelatedTable};
use crate::tables::score_column_error::ScoreColumnError;
use crate::tables::score_columns::{ORACLE, ScoreTables, check_known};

/// Name of the choice that looks at no score.
pub(crate) const RANDOM: &str = "random";

/// The score by which a stage with the ports `candidates`, `scores` and `evaluation` looks at candidates.
pub(crate) struct ScoreChoice<'a> {
    /// A column, or one of `besides`.
    pub(crate) by: &'a str,
    /// What may stand in place of a column.
    pub(crate) besides: &'static [&'static str],
    /// What is known of the stage's inputs.
    pub(crate) inputs: &'a KnownInputs,
}

/// Reads which candidates there are, and says how many will be looked at.
pub(crate) fn opened_candidates(context: &StageContext<'_>) -> Result<CandidateIndex, StageError> {
    let candidates = context.input("candidates")?;
    let index = CandidateIndex::read(context.store(), candidates).map_err(StageError::failed)?;
    context.progress().begin(Work {
        total: index.rows().len() as u64,
        reused: 0,
        unit: "candidates",
    });
    Ok(index)
}

impl ScoreChoice<'_> {
    /// Checks that the inputs are of the same candidates and have the score, as far as they tell before they are there.
    pub(crate) fn check_connected(&self) -> Result<(), StageError> {
        UnrelatedTable::check(self.inputs).map_err(StageError::configuration)?;
        match self.is_column() {
            true => check_known(self.inputs, self.by, self.besides).map_err(StageError::configuration),
            false => Ok(()),
        }
    }

    /// Checks that the table of the score can have a row for every candidate.
    pub(crate) fn check_rows(&self, rows: &dyn Fn(&str) -> Option<u64>) -> Result<(), StageError> {
        match (self.port(), rows("candidates")) {
            (Some(port), Some(candidates)) => {
                FewRows::check(port, rows(port), candidates).map_err(StageError::configuration)
            }
            _ => Ok(()),
        }
    }

    /// The score of every candidate of the index, in its order; `draws` are what [`RANDOM`] takes in place of scores.
    pub(crate) fn values_or_draws(
        &self,
        context: &StageContext<'_>,
        index: &CandidateIndex,
        draws: &[Draw],
    ) -> Result<Vec<f64>, StageError> {
        match self.is_column() {
            true => self.values(context, index),
            false => Ok(draws.iter().map(Draw::unit).collect()),
        }
    }

    /// The score of every candidate of the index, in its order, each of them finite.
    pub(crate) fn values(
        &self,
        context: &StageContext<'_>,
        index: &CandidateIndex,
    ) -> Result<Vec<f64>, StageError> {
        let tables = ScoreTables {
            store: context.store(),
            candidates: context.input("candidates")?,
            scores: context.inputs("scores"),
            evaluation: context.optional_input("evaluation"),
            inputs: self.inputs,
        };
        tables.values(self.by, index).map_err(|error| match error {
            ScoreColumnError::Unknown { .. } => match tables.unknown(self.by, self.besides) {
                Ok(error) | Err(error) => StageError::configuration(error),
            },
            ScoreColumnError::Store(error) => StageError::Store(error),
            ScoreColumnError::Ambiguous { .. } | ScoreColumnError::Earlier { .. } => {
                StageError::configuration(error)
            }
            error => StageError::failed(error),
        })
    }

    fn is_column(&self) -> bool {
        !self.besides.contains(&self.by)
    }

    /// The port with the table of the score, if it is another one than that of the candidates and known.
    fn port(&self) -> Option<&'static str> {
        if self.by == ORACLE {
            return (!self.inputs.of("evaluation").is_empty()).then_some("evaluation");
        }
        let has_it = |input: &KnownInput| {
            let columns = input.columns.as_ref();
            columns.is_some_and(|columns| columns.field_with_name(self.by).is_ok())
        };
        let somewhere = |port: &str| self.inputs.of(port).iter().any(has_it);
        (somewhere("scores") && !somewhere("candidates")).then_some("scores")
    }
}
