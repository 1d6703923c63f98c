//! Score columns beside evaluation rows, gathered by prompt.

use std::collections::BTreeMap;

use thiserror::Error;

use super::rows::EvaluationRow;
use crate::statistics::auc::{RankedImage, RankingError};
use crate::statistics::bootstrap::BootstrapError;

/// One score of every image, in the order of the evaluation rows.
#[derive(Clone, Copy, Debug)]
pub struct ScoreColumn<'a> {
    /// The name of the column, such as `mi`.
    pub name: &'a str,
    /// The scores; higher is meant to be better.
    pub values: &'a [f64],
}

/// Why the power of a score could not be measured.
#[derive(Debug, Clone, PartialEq, Error)]
#[expect(missing_docs, reason = "the messages say all")]
pub enum PowerError {
    #[error("Score `{score}` has `{values}` values, expected `{rows}`, one for each image")]
    Length {
        score: String,
        values: usize,
        rows: usize,
    },
    #[error("Score `{score}` of image `{seed_index}` of prompt `{prompt_id}` is not a number")]
    NotANumber {
        score: String,
        prompt_id: String,
        seed_index: u32,
    },
    #[error("Power of a score could not be measured")]
    Ranking(#[from] RankingError),
    #[error("Agreement of scores could not be estimated")]
    Bootstrap(#[from] BootstrapError),
}

/// Checks that there is one number for each row.
pub(super) fn check(rows: &[EvaluationRow], column: &ScoreColumn<'_>) -> Result<(), PowerError> {
    let score = || column.name.to_owned();
    if rows.len() != column.values.len() {
        return Err(PowerError::Length {
            score: score(),
            values: column.values.len(),
            rows: rows.len(),
        });
    }
    match rows.iter().zip(column.values).find(|(_, value)| value.is_nan()) {
        Some((row, _)) => Err(PowerError::NotANumber {
            score: score(),
            prompt_id: row.prompt_id.clone(),
            seed_index: row.seed_index,
        }),
        None => Ok(()),
    }
}

/// Returns the chosen images, one pool per prompt, prompts by id and images by seed index.
pub(super) fn pools(
    rows: &[EvaluationRow],
    column: &ScoreColumn<'_>,
    chosen: impl Fn(&EvaluationRow) -> bool,
) -> Vec<Vec<RankedImage>> {
    let mut pools: BTreeMap<&str, Vec<(u32, RankedImage)>> = BTreeMap::new();
    for (row, &score) in rows.iter().zip(column.values).filter(|(row, _)| chosen(row)) {
        let image = RankedImage {
            score,
            aligned: row.aligned,
        };
        pools
            .entry(&row.prompt_id)
            .or_default()
            .push((row.seed_index, image));
    }
    pools
        .into_values()
        .map(|mut pool| {
            pool.sort_by_key(|(seed_index, _)| *seed_index);
            pool.into_iter().map(|(_, image)| image).collect()
        })
        .collect()
}
