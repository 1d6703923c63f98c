//! The candidates of an arm, each beside the same one of the baseline.

use std::collections::BTreeMap;

use super::column::Row;
use crate::tables::matching::{CandidateName, MatchError, match_candidates};

/// What baseline and arm say of each candidate, in the order of the candidates.
pub(super) struct Pairs<'a>(Vec<(&'a Row, &'a Row)>);

impl<'a> Pairs<'a> {
    /// Pairs rows of the same candidates; each side comes with its name for messages.
    pub(super) fn of(
        (before, before_name): (&'a [Row], &str),
        (after, after_name): (&'a [Row], &str),
    ) -> Result<Self, MatchError> {
        match_candidates(
            (after.iter().map(candidate), after_name),
            (before.iter().map(candidate), before_name),
        )?;
        // Both hold the same candidates, once each.
        let (before, after) = (sorted(before), sorted(after));
        Ok(Self(before.into_iter().zip(after).collect()))
    }

    /// The pairs, baseline first.
    pub(super) fn rows(&self) -> impl Iterator<Item = (&'a Row, &'a Row)> {
        self.0.iter().copied()
    }

    /// The prompts and numbers of the pairs in which both sides have one, that of the baseline first.
    pub(super) fn numbers(&self) -> impl Iterator<Item = (&'a str, f64, f64)> {
        self.rows()
            .filter_map(|(before, after)| Some((after.prompt_id.as_str(), before.value?, after.value?)))
    }
}

fn candidate(row: &Row) -> CandidateName<'_> {
    (row.prompt_id.as_str(), row.seed_index)
}

fn sorted(rows: &[Row]) -> Vec<&Row> {
    let named = rows.iter().map(|row| (candidate(row), row));
    named.collect::<BTreeMap<_, _>>().into_values().collect()
}
