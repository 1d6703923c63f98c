//! Which candidates of each prompt are chosen.

use std::collections::HashSet;

use crate::tables::candidate_index::CandidateIndex;

/// What is chosen of the candidates of a prompt.
pub(super) struct Rule {
    pub(super) choice: Choice,
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

/// A chosen candidate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Chosen {
    /// Its row in the table of candidates.
    pub(super) row: usize,
    pub(super) score: f64,
    /// Its place among all candidates of its prompt, from 0 for the highest score.
    pub(super) rank: u32,
}

/// A random number of a candidate, by which equal scores are ordered.
///
/// Order of rows would prefer low seed indices, so that a score with many ties, such as right or wrong, would choose
/// the same few start noises for every prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Draw(u128);

impl Draw {
    /// The key under which a seed draws.
    pub(super) fn key(seed: u64) -> [u8; 32] {
        blake3::derive_key("mitune v1 selection", &seed.to_le_bytes())
    }

    /// The number of one candidate.
    pub(super) fn new(key: &[u8; 32], prompt: &str, seed_index: u32) -> Self {
        let mut hasher = blake3::Hasher::new_keyed(key);
        hasher.update(&seed_index.to_le_bytes());
        hasher.update(prompt.as_bytes());
        let mut half = [0; 16];
        hasher.finalize_xof().fill(&mut half);
        Self(u128::from_be_bytes(half))
    }

    /// The number as one in [0, 1).
    pub(super) fn unit(&self) -> f64 {
        (self.0 >> 75) as f64 / (1_u64 << 53) as f64
    }
}

/// Chooses candidates of every prompt; `scores` and `draws` are in the order of the index, and so is the result.
pub(super) fn choose(index: &CandidateIndex, scores: &[f64], draws: &[Draw], rule: &Rule) -> Vec<Chosen> {
    let mut pools: Vec<Vec<usize>> = vec![Vec::new(); index.prompts().len()];
    for (row, candidate) in index.rows().iter().enumerate() {
        pools[candidate.prompt as usize].push(row);
    }
    let repeated = repeated(index);
    let pools = pools.into_iter().zip(repeated);
    let mut chosen = Vec::new();
    for (mut pool, repeated) in pools {
        if rule.once && repeated {
            continue;
        }
        let place = |row: usize| (scores[row], draws[row]);
        pool.sort_unstable_by(|&one, &other| {
            let ((score, draw), (other_score, other_draw)) = (place(one), place(other));
            other_score.total_cmp(&score).then(other_draw.cmp(&draw))
        });
        let ranked = (0..).zip(&pool).map(|(rank, &row)| Chosen {
            row,
            score: scores[row],
            rank,
        });
        let mut good: Vec<Chosen> = ranked
            .filter(|chosen| rule.min_score.is_none_or(|least| chosen.score >= least))
            .collect();
        match &rule.choice {
            Choice::Top(count) => good.truncate(*count),
            Choice::Bottom(count) => drop(good.drain(..good.len().saturating_sub(*count))),
            Choice::Places(places) => good.retain(|chosen| places.contains(&chosen.rank)),
        }
        chosen.extend(good);
    }
    chosen.sort_unstable_by_key(|chosen| chosen.row);
    chosen
}

/// Says of every prompt whether an earlier one has its text.
pub(super) fn repeated(index: &CandidateIndex) -> Vec<bool> {
    let mut seen = HashSet::new();
    let prompts = index.prompts().iter();
    prompts.map(|prompt| !seen.insert(prompt.text.as_str())).collect()
}
