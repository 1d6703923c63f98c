//! Which candidates are chosen.

use super::config::SelectionPool;
use crate::candidate_ranking::{Draw, Ranked, ranked_pools, repeated};
use crate::tables::candidate_index::CandidateIndex;

/// What is chosen of the candidates.
pub(super) struct Rule {
    pub(super) choice: Choice,
    /// Whether the choice is made in each prompt or among all.
    pub(super) within: SelectionPool,
    pub(super) min_score: Option<f64>,
    /// Whether a text that several prompts have is chosen from once only.
    pub(super) once: bool,
}

/// Which places of a ranking are chosen.
pub(super) enum Choice {
    /// So many of the highest scores.
    Top(usize),
    /// So many of the lowest scores.
    Bottom(usize),
    /// These places, from 0 for the highest score.
    Places(Vec<u32>),
}

impl Choice {
    /// Leaves what is chosen of candidates, which come best first.
    fn keep(&self, ranked: &mut Vec<Ranked>) {
        match self {
            Self::Top(count) => ranked.truncate(*count),
            Self::Bottom(count) => drop(ranked.drain(..ranked.len().saturating_sub(*count))),
            Self::Places(places) => ranked.retain(|ranked| places.contains(&ranked.rank)),
        }
    }
}

/// Chooses candidates; `scores` and `draws` are in the order of the index, and so is the result.
pub(super) fn choose(index: &CandidateIndex, scores: &[f64], draws: &[Draw], rule: &Rule) -> Vec<Ranked> {
    let pools = ranked_pools(index, scores, draws).into_iter();
    let mut chosen = Vec::new();
    for (pool, repeated) in pools.zip(repeated(index)) {
        if rule.once && repeated {
            continue;
        }
        let mut good: Vec<Ranked> = pool
            .into_iter()
            .filter(|ranked| rule.min_score.is_none_or(|least| ranked.score >= least))
            .collect();
        if rule.within == SelectionPool::Prompt {
            rule.choice.keep(&mut good);
        }
        chosen.extend(good);
    }
    if rule.within == SelectionPool::All {
        // Prompts of one text draw the same for one seed index, and the order of rows is left.
        chosen.sort_unstable_by(|one, other| {
            let by_score = other.score.total_cmp(&one.score);
            let by_draw = draws[other.row].cmp(&draws[one.row]);
            by_score.then(by_draw).then(one.row.cmp(&other.row))
        });
        rule.choice.keep(&mut chosen);
    }
    chosen.sort_unstable_by_key(|chosen| chosen.row);
    chosen
}
