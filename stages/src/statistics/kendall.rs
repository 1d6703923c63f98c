//! Kendall's rank correlation between two scores of the same images.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// How the pairs of a sample agree, from which both variants of tau follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairAgreement {
    /// Pairs that both scores order alike.
    pub concordant: u64,
    /// Pairs that the scores order differently.
    pub discordant: u64,
    /// Pairs tied in the first score only.
    pub tied_first: u64,
    /// Pairs tied in the second score only.
    pub tied_second: u64,
    /// Pairs tied in both scores.
    pub tied_both: u64,
}

impl PairAgreement {
    /// Compares all pairs of two scores of the same items, item by item.
    ///
    /// Takes n (n - 1) / 2 comparisons: made for the candidates of one prompt, not for whole data sets.
    ///
    /// # Errors
    /// When the lengths differ or a score is NaN.
    pub fn of(first: &[f64], second: &[f64]) -> Result<Self, KendallError> {
        check(first, second)?;
        let mut agreement = Self::default();
        for item in 1..first.len() {
            for earlier in 0..item {
                let pair = match (first[item] == first[earlier], second[item] == second[earlier]) {
                    (true, true) => &mut agreement.tied_both,
                    (true, false) => &mut agreement.tied_first,
                    (false, true) => &mut agreement.tied_second,
                    _ if (first[item] > first[earlier]) == (second[item] > second[earlier]) => {
                        &mut agreement.concordant
                    }
                    _ => &mut agreement.discordant,
                };
                *pair += 1;
            }
        }
        Ok(agreement)
    }

    /// Returns tau-a: (concordant - discordant) over all pairs; none for fewer than two items.
    ///
    /// Tied pairs count as neither, so a constant score has tau-a 0.
    pub fn tau_a(self) -> Option<f64> {
        let pairs = self.concordant + self.discordant + self.tied_first + self.tied_second + self.tied_both;
        (pairs > 0).then(|| self.surplus() / pairs as f64)
    }

    /// Returns tau-b: (concordant - discordant) / sqrt((n0 - n1) (n0 - n2)), n1 and n2 the pairs tied in each score.
    ///
    /// None when a score is constant, where it is 0 / 0; averages over prompts leave such prompts out.
    pub fn tau_b(self) -> Option<f64> {
        let untied = self.concordant + self.discordant;
        let untied_first = untied + self.tied_second;
        let untied_second = untied + self.tied_first;
        (untied_first > 0 && untied_second > 0)
            .then(|| self.surplus() / (untied_first as f64 * untied_second as f64).sqrt())
    }

    fn surplus(self) -> f64 {
        self.concordant as f64 - self.discordant as f64
    }
}

/// Checks that two scores are of the same number of items and none is NaN.
pub(super) fn check(first: &[f64], second: &[f64]) -> Result<(), KendallError> {
    if first.len() != second.len() {
        return Err(KendallError::Lengths {
            first: first.len(),
            second: second.len(),
        });
    }
    let mut pairs = first.iter().zip(second);
    match pairs.position(|(x, y)| x.is_nan() || y.is_nan()) {
        Some(item) => Err(KendallError::NotANumber { item }),
        None => Ok(()),
    }
}

/// Returns the items that hold the given ranks under a score, rank 1 being the highest score.
///
/// The study of MI-TUNE compares judges on the images of ranks 1, 25 and 50 of 50. Ties are broken by position.
/// None when a rank is 0 or beyond the number of items.
pub fn items_at_ranks(scores: &[f64], ranks: &[usize]) -> Option<Vec<usize>> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|one, other| scores[*other].total_cmp(&scores[*one]));
    ranks
        .iter()
        .map(|rank| rank.checked_sub(1).and_then(|place| order.get(place).copied()))
        .collect()
}

/// Why two scores could not be compared.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the messages say all")]
pub enum KendallError {
    #[error("First score has `{first}` items, second has `{second}`")]
    Lengths { first: usize, second: usize },
    #[error("Score of item `{item}` is not a number")]
    NotANumber { item: usize },
}

#[cfg(test)]
mod tests {
    use super::{KendallError, PairAgreement, items_at_ranks};
    use crate::draws::Draws;

    fn agreement(first: &[f64], second: &[f64]) -> PairAgreement {
        PairAgreement::of(first, second).expect("valid")
    }

    #[test]
    fn closed_forms() {
        let third = agreement(&[1.0, 2.0, 3.0], &[1.0, 3.0, 2.0]);
        assert_eq!(
            (third.tau_a(), third.concordant, third.discordant),
            (Some(1.0 / 3.0), 2, 1)
        );
        assert!((third.tau_b().expect("defined") - 1.0 / 3.0).abs() < 1e-15);
        let ascending: Vec<f64> = (0..20).map(f64::from).collect();
        let descending: Vec<f64> = ascending.iter().map(|value| -value).collect();
        assert_eq!(agreement(&ascending, &ascending).tau_a(), Some(1.0));
        assert_eq!(agreement(&ascending, &descending).tau_a(), Some(-1.0));
        let constant = agreement(&[1.0, 2.0, 3.0], &[0.0; 3]);
        assert_eq!((constant.tau_a(), constant.tau_b()), (Some(0.0), None));
        assert_eq!(agreement(&[1.0], &[1.0]).tau_a(), None);
        assert_eq!(agreement(&[], &[]).tau_b(), None);
        // 2 pairs agree, 6 disagree, 1 is tied in the first score, 1 in both: -4 / sqrt((10 - 2) (10 - 1)).
        let tied = agreement(&[12.0, 2.0, 1.0, 12.0, 2.0], &[1.0, 4.0, 7.0, 1.0, 0.0]);
        assert!((tied.tau_b().expect("defined") + 4.0 / f64::sqrt(72.0)).abs() < 1e-15);
    }

    #[test]
    fn tau_is_the_correlation_of_the_signs_of_differences() {
        for round in 0..200 {
            let mut draws = Draws::new("kendall test", 0, round);
            let size = 2 + draws.below(12) as usize;
            let mut scores = || -> Vec<f64> { (0..size).map(|_| f64::from(draws.below(6))).collect() };
            let (first, second) = (scores(), scores());
            let sign = |value: f64| if value == 0.0 { 0.0 } else { value.signum() };
            let (mut product, mut squares_first, mut squares_second) = (0.0, 0.0, 0.0);
            for i in 0..size {
                for j in 0..size {
                    let (x, y) = (sign(first[i] - first[j]), sign(second[i] - second[j]));
                    product += x * y;
                    squares_first += x * x;
                    squares_second += y * y;
                }
            }
            let found = agreement(&first, &second);
            let pairs = (size * (size - 1)) as f64;
            assert!((found.tau_a().expect("pairs") - product / pairs).abs() < 1e-12);
            let both = f64::sqrt(squares_first * squares_second);
            match found.tau_b() {
                Some(tau) => assert!((tau - product / both).abs() < 1e-12),
                None => assert_eq!(both, 0.0),
            }
        }
    }

    #[test]
    fn ranks_count_from_the_highest_score() {
        let scores = [0.3, 0.9, 0.1, 0.9, 0.5];
        assert_eq!(items_at_ranks(&scores, &[1, 2, 3, 5]), Some(vec![1, 3, 4, 2]));
        assert_eq!(items_at_ranks(&scores, &[0]), None);
        assert_eq!(items_at_ranks(&scores, &[6]), None);
    }

    #[test]
    fn what_cannot_be_compared_is_refused() {
        assert_eq!(
            PairAgreement::of(&[1.0], &[1.0, 2.0]),
            Err(KendallError::Lengths { first: 1, second: 2 })
        );
        assert_eq!(
            PairAgreement::of(&[1.0, f64::NAN], &[1.0, 2.0]),
            Err(KendallError::NotANumber { item: 1 })
        );
    }
}
