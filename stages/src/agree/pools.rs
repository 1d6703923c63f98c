//! The numbers of all columns, prompt by prompt.

use std::num::NonZeroU32;

use super::config::{Agree, AgreeError};
use crate::contract::{StageContext, StageError};
use crate::statistics::kendall::items_at_ranks;
use crate::tables::candidate_index::CandidateIndex;
use crate::tables::score_column_error::ScoreColumnError;
use crate::tables::score_columns::ScoreTables;

/// The candidates of one prompt.
#[derive(Debug, PartialEq)]
pub(super) struct Pool {
    /// The numbers of each column, in the order of the setting and of the table.
    pub(super) columns: Vec<Vec<f64>>,
}

impl Pool {
    /// How many candidates there are.
    pub(super) fn candidates(&self) -> usize {
        self.columns.first().map_or(0, Vec::len)
    }

    fn keep(&mut self, items: &[usize]) {
        for column in &mut self.columns {
            *column = items.iter().map(|&item| column[item]).collect();
        }
    }
}

impl Agree {
    /// Reads the columns; every candidate must have a number in each.
    pub(super) fn pools(&self, context: &StageContext<'_>) -> Result<Vec<Pool>, StageError> {
        let candidates = context.input("candidates")?;
        let tables = ScoreTables {
            store: context.store(),
            candidates,
            scores: context.inputs("scores"),
            evaluation: context.optional_input("evaluation"),
            inputs: &self.inputs,
        };
        let index = CandidateIndex::read(context.store(), candidates).map_err(StageError::failed)?;
        let empty = || Pool {
            columns: vec![Vec::new(); self.config.columns.len()],
        };
        let mut pools: Vec<Pool> = index.prompts().iter().map(|_| empty()).collect();
        for (position, column) in self.config.columns.iter().enumerate() {
            context.check_cancelled()?;
            let values = tables.values(column, &index).map_err(told)?;
            for (row, value) in index.rows().iter().zip(values) {
                pools[row.prompt as usize].columns[position].push(value);
            }
        }
        if !self.config.ranks.is_empty() {
            self.keep_ranks(&mut pools, &index)
                .map_err(StageError::configuration)?;
        }
        Ok(pools)
    }

    /// Leaves only the candidates of the ranks that are asked for.
    fn keep_ranks(&self, pools: &mut [Pool], index: &CandidateIndex) -> Result<(), AgreeError> {
        let Some(first) = self.config.columns.first() else {
            return Ok(());
        };
        let direction = self.config.direction(first);
        let ranks = &self.config.ranks;
        let places: Vec<usize> = ranks.iter().map(|rank| rank.get() as usize).collect();
        for (pool, prompt) in pools.iter_mut().zip(index.prompts()) {
            let scores: Vec<f64> = pool.columns[0].iter().map(|value| direction * value).collect();
            let Some(items) = items_at_ranks(&scores, &places) else {
                return Err(AgreeError::NoSuchRank {
                    rank: ranks.iter().copied().max().unwrap_or(NonZeroU32::MIN),
                    prompt_id: prompt.id.clone(),
                    candidates: scores.len(),
                });
            };
            pool.keep(&items);
        }
        Ok(())
    }
}

fn told(error: ScoreColumnError) -> StageError {
    match error {
        ScoreColumnError::Store(error) => StageError::Store(error),
        error @ (ScoreColumnError::Unknown { .. }
        | ScoreColumnError::Ambiguous { .. }
        | ScoreColumnError::Earlier { .. }) => StageError::configuration(error),
        error => StageError::failed(error),
    }
}
