//! Which candidates of a prompt make a pair.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::largest_differences::{difference, largest_differences};
use crate::candidate_ranking::{Draw, Ranked};

/// A rule that pairs the candidates of a prompt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Pairing {
    /// The best with the worst, the second with the last but one, and so on. The default.
    #[default]
    BestWorst,
    /// The best with others that are drawn at random, without repetition.
    BestRandom,
    /// The best with the second, the third with the fourth, and so on.
    Neighbours,
    /// Every candidate with every other.
    All,
}

/// Two candidates of a prompt of which the first has the higher score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct RankedPair {
    pub(super) preferred: Ranked,
    pub(super) rejected: Ranked,
}

impl RankedPair {
    /// By how much the scores differ, from 0 on.
    pub(super) fn difference(&self) -> f64 {
        self.preferred.score - self.rejected.score
    }

    /// The row with which both are read.
    pub(super) fn last_row(&self) -> usize {
        self.preferred.row.max(self.rejected.row)
    }
}

/// What is paired of the candidates of a prompt.
pub(super) struct Rule {
    pub(super) pairing: Pairing,
    /// So many of the pairs are looked at.
    pub(super) most: usize,
    /// Pairs that differ by no more are ties.
    pub(super) min_difference: f64,
}

/// The pairs of a prompt.
pub(super) struct PromptPairs {
    pub(super) pairs: Vec<RankedPair>,
    /// Pairs that were dropped, because they hardly differ.
    pub(super) ties: usize,
}

impl Rule {
    /// Pairs the candidates of a prompt, given best first; `draws` has a number for each row of the table.
    ///
    /// A tie counts among the first `most` pairs and is not replaced by a later one, which would be a tie as well unless
    /// it was drawn.
    pub(super) fn pairs(&self, pool: &[Ranked], draws: &[Draw]) -> PromptPairs {
        let mut places = self.places(pool, draws);
        places.truncate(self.most);
        let found = places.len();
        let pairs = places.into_iter().map(|(preferred, rejected)| RankedPair {
            preferred: pool[preferred],
            rejected: pool[rejected],
        });
        let pairs: Vec<RankedPair> = pairs
            .filter(|pair| pair.difference() > self.min_difference)
            .collect();
        PromptPairs {
            ties: found - pairs.len(),
            pairs,
        }
    }

    /// The places of the pairs in the ranking, those that are taken first standing first.
    fn places(&self, pool: &[Ranked], draws: &[Draw]) -> Vec<(usize, usize)> {
        let half = pool.len() / 2;
        match self.pairing {
            Pairing::BestWorst => (0..half).map(|place| (place, pool.len() - 1 - place)).collect(),
            Pairing::BestRandom => {
                let mut others: Vec<usize> = (1..pool.len()).collect();
                others.sort_unstable_by_key(|&place| draws[pool[place].row]);
                others.into_iter().map(|other| (0, other)).collect()
            }
            Pairing::Neighbours => {
                let mut pairs: Vec<(usize, usize)> =
                    (0..half).map(|place| (2 * place, 2 * place + 1)).collect();
                pairs.sort_by(|&one, &other| difference(pool, other).total_cmp(&difference(pool, one)));
                pairs
            }
            Pairing::All => largest_differences(pool, self.most),
        }
    }
}
