//! What one score says of the best of n candidates by another.
//!
//! The expectation is over all subsets of n of a prompt's candidates, each as likely as any other, and exact: the best of
//! a subset lies among the k lowest candidates in C(k, n) of the C(N, n) subsets.

use super::kendall::{KendallError, check};

/// What a judge says of the candidates of a prompt, in the order in which a chooser would take them.
#[derive(Clone, Debug, PartialEq)]
pub struct ChoiceOrder {
    /// Candidates that the chooser tells nothing apart of, the best first: how many, and the judge's mean over them.
    tied: Vec<(usize, f64)>,
    candidates: usize,
}

impl ChoiceOrder {
    /// Orders the candidates of a prompt by the chooser, higher first; both scores are in one order of candidates.
    ///
    /// # Errors
    /// When the lengths differ or a score is NaN.
    pub fn of(chooser: &[f64], judge: &[f64]) -> Result<Self, KendallError> {
        check(chooser, judge)?;
        let mut items: Vec<(f64, f64)> = chooser.iter().copied().zip(judge.iter().copied()).collect();
        // Adding 0 makes 0 and -0 the same for the total order too; what is tied is summed in one order, whatever that of
        // the candidates.
        items.sort_unstable_by(|one, other| {
            (other.0 + 0.0)
                .total_cmp(&(one.0 + 0.0))
                .then(one.1.total_cmp(&other.1))
        });
        let tied = items.chunk_by(|one, other| one.0 == other.0);
        let mean = |group: &[(f64, f64)]| group.iter().map(|item| item.1).sum::<f64>() / group.len() as f64;
        Ok(Self {
            tied: tied.map(|group| (group.len(), mean(group))).collect(),
            candidates: items.len(),
        })
    }

    /// Returns the judge's expected value for the best of `n` candidates; none for 0 and for more than there are.
    ///
    /// Where several of the n are equally good to the chooser, each of them is taken equally often. The best of 1 is a
    /// random choice, the judge's mean over all.
    pub fn best_of(&self, n: usize) -> Option<f64> {
        if n == 0 || n > self.candidates {
            return None;
        }
        let (mut value, mut left, mut share) = (0.0, self.candidates, 1.0);
        for &(tied, mean) in &self.tied {
            let mut below = share;
            for _ in 0..tied {
                // C(left - 1, n) / C(left, n)
                below *= left.saturating_sub(n) as f64 / left as f64;
                left -= 1;
            }
            value += (share - below) * mean;
            share = below;
            if share == 0.0 {
                break;
            }
        }
        Some(value)
    }
}

/// The sizes of subsets that a curve shows: 1, 2, 4, ... and all of the candidates.
pub fn curve_sizes(candidates: usize) -> Vec<usize> {
    let powers = std::iter::successors(Some(1_usize), |size| size.checked_mul(2));
    let mut sizes: Vec<usize> = powers.take_while(|size| *size < candidates).collect();
    sizes.extend((candidates > 0).then_some(candidates));
    sizes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{ChoiceOrder, curve_sizes};

    /// The mean over all subsets of n, in each of which what the chooser likes best is taken equally often.
    fn by_all_subsets(chooser: &[f64], judge: &[f64], n: usize) -> f64 {
        let (mut sum, mut subsets) = (0.0, 0);
        for subset in 0_u32..1 << chooser.len() {
            if subset.count_ones() as usize != n {
                continue;
            }
            let inside = |item: &usize| (subset >> item) & 1 == 1;
            let members: Vec<usize> = (0..chooser.len()).filter(inside).collect();
            let best = members
                .iter()
                .map(|&item| chooser[item])
                .fold(f64::NEG_INFINITY, f64::max);
            let taken: Vec<f64> = members
                .iter()
                .filter(|item| chooser[**item] == best)
                .map(|&item| judge[item])
                .collect();
            sum += taken.iter().sum::<f64>() / taken.len() as f64;
            subsets += 1;
        }
        sum / f64::from(subsets)
    }

    proptest! {
        #[test]
        fn it_is_the_mean_over_all_subsets(items in proptest::collection::vec((0_i8..5, -9_i8..9), 1..9)) {
            let chooser: Vec<f64> = items.iter().map(|item| f64::from(item.0)).collect();
            let judge: Vec<f64> = items.iter().map(|item| f64::from(item.1)).collect();
            let order = ChoiceOrder::of(&chooser, &judge).unwrap();
            for n in 1..=items.len() {
                let (found, expected) = (order.best_of(n).unwrap(), by_all_subsets(&chooser, &judge, n));
                prop_assert!((found - expected).abs() < 1e-12, "{n}: {found} {expected}");
            }
        }
    }

    #[test]
    fn the_ends_of_a_curve() {
        let judge = [3.0, 1.0, 2.0, 6.0];
        let order = ChoiceOrder::of(&[0.1, 0.4, 0.2, 0.3], &judge).unwrap();
        assert!((order.best_of(1).unwrap() - 3.0).abs() < 1e-12);
        assert_eq!(order.best_of(4), Some(1.0));
        // The best by the chooser is in half of the pairs, the second best in 2 of the 6, the third in one.
        assert!((order.best_of(2).unwrap() - 17.0 / 6.0).abs() < 1e-12);
        assert_eq!((order.best_of(0), order.best_of(5)), (None, None));
        // A chooser that says the same of all chooses at random.
        let constant = ChoiceOrder::of(&[0.0, -0.0, 0.0, 0.0], &judge).unwrap();
        for n in 1..=4 {
            assert!((constant.best_of(n).unwrap() - 3.0).abs() < 1e-12);
        }
        let none = ChoiceOrder::of(&[], &[]).unwrap();
        assert_eq!(none.best_of(1), None);
        assert!(ChoiceOrder::of(&[1.0], &[]).is_err() && ChoiceOrder::of(&[f64::NAN], &[1.0]).is_err());
    }

    #[test]
    fn many_candidates_are_no_trouble() {
        let numbers: Vec<f64> = (0..100_000).map(f64::from).collect();
        let order = ChoiceOrder::of(&numbers, &numbers).unwrap();
        // The mean of the highest of n of 0..N is n (N + 1) / (n + 1) - 1.
        for n in [1, 2, 64, 50_000, 100_000] {
            let expected = n as f64 * 100_001.0 / (n as f64 + 1.0) - 1.0;
            let found = order.best_of(n).unwrap();
            assert!((found / expected - 1.0).abs() < 1e-9, "{n}: {found} {expected}");
        }
    }

    #[test]
    fn curves_double_and_end_with_all() {
        assert_eq!(curve_sizes(0), [] as [usize; 0]);
        assert_eq!(curve_sizes(1), [1]);
        assert_eq!(curve_sizes(8), [1, 2, 4, 8]);
        assert_eq!(curve_sizes(50), [1, 2, 4, 8, 16, 32, 50]);
    }
}
