//! The candidates of each prompt, best first.

use std::collections::HashSet;

use super::Draw;
use crate::tables::candidate_index::CandidateIndex;

/// A candidate with its place among those of its prompt.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Ranked {
    /// Its row in the table of candidates.
    pub(crate) row: usize,
    pub(crate) score: f64,
    /// Its place among all candidates of its prompt, from 0 for the highest score.
    pub(crate) rank: u32,
}

/// Ranks the candidates of every prompt, in the order of the prompts; `scores` and `draws` are in the order of the index.
pub(crate) fn ranked_pools(index: &CandidateIndex, scores: &[f64], draws: &[Draw]) -> Vec<Vec<Ranked>> {
    let mut pools: Vec<Vec<usize>> = vec![Vec::new(); index.prompts().len()];
    for (row, candidate) in index.rows().iter().enumerate() {
        pools[candidate.prompt as usize].push(row);
    }
    let ranked = |mut pool: Vec<usize>| {
        let place = |row: usize| (scores[row], draws[row]);
        pool.sort_unstable_by(|&one, &other| {
            let ((score, draw), (other_score, other_draw)) = (place(one), place(other));
            other_score.total_cmp(&score).then(other_draw.cmp(&draw))
        });
        let ranked = (0..).zip(pool).map(|(rank, row)| Ranked {
            row,
            score: scores[row],
            rank,
        });
        ranked.collect()
    };
    pools.into_iter().map(ranked).collect()
}

/// Says of every prompt whether an earlier one has its text.
pub(crate) fn repeated(index: &CandidateIndex) -> Vec<bool> {
    let mut seen = HashSet::new();
    let prompts = index.prompts().iter();
    prompts.map(|prompt| !seen.insert(prompt.text.as_str())).collect()
}
