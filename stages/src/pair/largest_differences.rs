//! The pairs of a ranking that differ most.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::candidate_ranking::Ranked;

/// By how much the scores of two places of a ranking differ, the better place first.
pub(super) fn difference(pool: &[Ranked], (better, worse): (usize, usize)) -> f64 {
    pool[better].score - pool[worse].score
}

/// The `most` pairs of a ranking whose scores differ most, largest difference first; among equal ones those of better
/// places come first.
///
/// Of each place the last one differs most, then the one before it, so that all pairs need never be listed.
pub(super) fn largest_differences(pool: &[Ranked], most: usize) -> Vec<(usize, usize)> {
    let Some(last) = pool.len().checked_sub(1) else {
        return Vec::new();
    };
    // The bits of numbers from 0 on are ordered as the numbers are.
    let entry = |better: usize, worse: usize| {
        let difference = difference(pool, (better, worse)).max(0.0);
        (difference.to_bits(), Reverse(better), Reverse(worse))
    };
    let mut next: BinaryHeap<_> = (0..last).map(|better| entry(better, last)).collect();
    let mut found = Vec::new();
    while found.len() < most {
        let Some((_, Reverse(better), Reverse(worse))) = next.pop() else {
            break;
        };
        found.push((better, worse));
        if worse - 1 > better {
            next.push(entry(better, worse - 1));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draws::Draws;

    #[test]
    fn the_pairs_are_those_of_sorting_all() {
        for (seed, count) in [(0, 1), (1, 2), (2, 7), (3, 20)] {
            let mut draws = Draws::new("largest differences", seed, 0);
            // Few values, so that many differences are equal.
            let mut scores: Vec<f64> = (0..count).map(|_| f64::from(draws.below(5))).collect();
            scores.sort_by(|one, other| other.total_cmp(one));
            let pool: Vec<Ranked> = scores
                .iter()
                .enumerate()
                .map(|(row, &score)| Ranked {
                    row,
                    score,
                    rank: row as u32,
                })
                .collect();
            let mut all: Vec<(usize, usize)> = (0..count)
                .flat_map(|better| (better + 1..count).map(move |worse| (better, worse)))
                .collect();
            all.sort_by(|&one, &other| difference(&pool, other).total_cmp(&difference(&pool, one)));
            let expected: Vec<f64> = all.iter().map(|&places| difference(&pool, places)).collect();
            let found = largest_differences(&pool, usize::MAX);
            let differences: Vec<f64> = found.iter().map(|&places| difference(&pool, places)).collect();
            assert_eq!(differences, expected);
            let mut sorted = found.clone();
            sorted.sort_unstable();
            all.sort_unstable();
            assert_eq!(sorted, all);
            assert_eq!(largest_differences(&pool, 3), found[..found.len().min(3)]);
        }
    }
}
