//! Candidates that two columns rank most differently.

use std::collections::HashSet;

use mitune_stages::judges::ColumnKind;

use super::super::error::ReportError;
use super::super::model::{Disagreement, Disagreements, RankedValue};
use super::candidates::{CandidatePrompt, Candidates, Score, distinguish, scores_of};
use super::evaluations::Evaluation;
use super::gallery::{picture, verdicts};
use super::judged_arms::JudgedTable;
use super::judgements::judgements;
use super::pictures::{Identity, Pictures};
use super::pools::Pool;

/// Candidates that are shown at most.
const MOST_CANDIDATES: usize = 12;

/// Columns whose ranks are compared at most, those of judges first.
const MOST_COLUMNS: usize = 12;

/// A column that ranks candidates.
struct Ranking<'a> {
    score: &'a Score,
    lower_is_better: bool,
    judged: bool,
}

/// A candidate that two columns rank differently.
struct Found {
    prompt: usize,
    seed_index: u32,
    columns: [usize; 2],
    ranks: [f64; 2],
}

impl Found {
    fn difference(&self) -> f64 {
        (self.ranks[0] - self.ranks[1]).abs()
    }
}

/// Shows the candidates of a pool whose ranks within their prompt differ most between two columns, one of them a judge's;
/// none where nothing differs or no image is there.
pub(super) fn disagreements(
    pictures: &mut Pictures<'_, '_>,
    pool: &Pool<'_>,
    candidates: &Candidates,
    tables: &[JudgedTable<'_>],
    evaluation: Option<&Evaluation>,
) -> Result<Option<Disagreements>, ReportError> {
    let mut judged = scores_of(pictures.store, pictures.graph, &pool.judged_by)?;
    let lower: Vec<bool> = judged
        .iter()
        .map(|score| lower_is_better(tables, score))
        .collect();
    distinguish(&mut judged, pictures.graph);
    let of_judges = judged.iter().zip(lower).map(|(score, lower_is_better)| Ranking {
        score,
        lower_is_better,
        judged: true,
    });
    let others = candidates.scores.iter().map(|score| Ranking {
        score,
        lower_is_better: false,
        judged: false,
    });
    let rankings: Vec<Ranking<'_>> = of_judges.chain(others).take(MOST_COLUMNS).collect();
    let limit = pictures
        .decoded_limit(pool.candidates)?
        .unwrap_or(MOST_CANDIDATES);
    let found = most_different(&candidates.prompts, &rankings, limit.min(MOST_CANDIDATES));
    let identity = |one: &Found| (candidates.prompts[one.prompt].id.clone(), one.seed_index);
    let wanted: HashSet<Identity> = found.iter().map(identity).collect();
    let images = pictures.fetch(pool.candidates, &wanted)?;
    let said = judgements(pictures.store, pictures.graph, pool, &wanted)?;
    let verdicts = evaluation.map(verdicts).unwrap_or_default();
    let shown = found.iter().filter_map(|one| {
        let identity = identity(one);
        let prompt = &candidates.prompts[one.prompt];
        let side = |number: usize| {
            let score = rankings[one.columns[number]].score;
            Some(RankedValue {
                column: score.name.clone(),
                value: score.of(&prompt.id, one.seed_index)?,
                rank: one.ranks[number],
            })
        };
        Some(Disagreement {
            prompt: prompt.text.clone(),
            seed_index: one.seed_index,
            of: prompt.seed_indices.len(),
            picture: picture(
                images.get(&identity)?,
                verdicts.get(&identity),
                said.get(&identity),
            ),
            sides: [side(0)?, side(1)?],
        })
    });
    let shown: Vec<Disagreement> = shown.collect();
    Ok((!shown.is_empty()).then(|| Disagreements {
        origin: pictures.graph.origin(pool.candidates.stage),
        model: pool.model.clone(),
        candidates: shown,
    }))
}

/// Chooses the pool whose candidates are looked at: the first of those that a page shows, else of all, that judges said
/// something of.
pub(super) fn pool<'a>(shown: &[&'a Pool<'a>], pools: &'a [Pool<'a>]) -> Option<&'a Pool<'a>> {
    let mut all = shown.iter().copied().chain(pools);
    all.find(|pool| !pool.judged_by.is_empty())
}

fn lower_is_better(tables: &[JudgedTable<'_>], score: &Score) -> bool {
    let of_stage = tables.iter().filter(|table| table.source.stage == score.stage);
    let mut columns = of_stage.flat_map(|table| &table.columns);
    columns.any(|column| column.name == score.name && column.kind == ColumnKind::LowerIsBetter)
}

/// Finds the candidates whose ranks differ most, each with the two columns that differ most about it.
///
/// Equal differences come in the order of prompts and seed indices, and of columns.
fn most_different(prompts: &[CandidatePrompt], rankings: &[Ranking<'_>], limit: usize) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    for (number, prompt) in prompts.iter().enumerate() {
        let ranks: Vec<Option<Vec<f64>>> = rankings.iter().map(|ranking| ranking.ranks(prompt)).collect();
        let candidates = prompt.seed_indices.iter().enumerate();
        found.extend(candidates.filter_map(|(place, &seed_index)| {
            let (columns, ranks) = widest(rankings, &ranks, place)?;
            Some(Found {
                prompt: number,
                seed_index,
                columns,
                ranks,
            })
        }));
        let order = |one: &Found| (one.prompt, one.seed_index);
        found.sort_by(|one, other| {
            let wider = other.difference().total_cmp(&one.difference());
            wider.then_with(|| order(one).cmp(&order(other)))
        });
        found.truncate(limit);
    }
    found
}

/// Finds the two columns that rank the candidate at a place most differently; none if all agree about it.
fn widest(
    rankings: &[Ranking<'_>],
    ranks: &[Option<Vec<f64>>],
    place: usize,
) -> Option<([usize; 2], [f64; 2])> {
    let mut widest: Option<([usize; 2], [f64; 2])> = None;
    let mut width = 0.0;
    let rank = |column: usize| ranks[column].as_ref().map(|ranks| ranks[place]);
    for second in 0..rankings.len() {
        for (first, ranking) in rankings.iter().enumerate().take(second) {
            // Judges come first, so that the first of a pair is one if any is.
            if !ranking.judged {
                continue;
            }
            let (Some(one), Some(other)) = (rank(first), rank(second)) else {
                continue;
            };
            let difference = f64::abs(one - other);
            if difference > width {
                width = difference;
                widest = Some(([first, second], [one, other]));
            }
        }
    }
    widest
}

impl Ranking<'_> {
    /// Ranks the candidates of a prompt, in their order there; none unless each has a number.
    fn ranks(&self, prompt: &CandidatePrompt) -> Option<Vec<f64>> {
        let sign = if self.lower_is_better { -1.0 } else { 1.0 };
        let value = |&seed: &u32| self.score.of(&prompt.id, seed).filter(|value| value.is_finite());
        let values = prompt.seed_indices.iter().map(|seed| Some(sign * value(seed)?));
        values.collect::<Option<Vec<f64>>>().map(|values| ranks(&values))
    }
}

/// Returns the place of each value, 1 for the highest; equal ones share the mean of their places.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&one, &other| values[other].total_cmp(&values[one]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for equal in order.chunk_by(|&one, &other| values[one] == values[other]) {
        let rank = before as f64 + (equal.len() + 1) as f64 / 2.0;
        for &place in equal {
            ranks[place] = rank;
        }
        before += equal.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::ranks;

    #[test]
    fn equal_values_share_the_mean_of_their_places() {
        assert_eq!(ranks(&[0.5, 2.0, 0.5, -1.0]), [2.5, 1.0, 2.5, 4.0]);
        assert_eq!(ranks(&[1.0, 1.0, 1.0]), [2.0; 3]);
        assert_eq!(ranks(&[0.0, -0.0]), [1.5; 2]);
        assert!(ranks(&[]).is_empty());
    }
}
