//! How the pairs of long lists agree, without going through all pairs.

use super::kendall::{KendallError, PairAgreement, check};

impl PairAgreement {
    /// Compares all pairs as [`of`](Self::of) does, in n log n steps (Knight 1966): made for whole data sets.
    ///
    /// # Errors
    /// When the lengths differ or a score is NaN.
    pub fn of_many(first: &[f64], second: &[f64]) -> Result<Self, KendallError> {
        check(first, second)?;
        // Adding 0 makes 0 and -0 the same for the total order too.
        let items = first.iter().zip(second).map(|(x, y)| (x + 0.0, y + 0.0));
        let mut items: Vec<(f64, f64)> = items.collect();
        items.sort_unstable_by(|one, other| one.0.total_cmp(&other.0).then(one.1.total_cmp(&other.1)));
        let tied_in_first = tied_pairs(items.chunk_by(|one, other| one.0 == other.0).map(<[_]>::len));
        let tied_both = tied_pairs(items.chunk_by(|one, other| one == other).map(<[_]>::len));
        let mut seconds: Vec<f64> = items.iter().map(|item| item.1).collect();
        // Ties of the first score stand in rising order of the second, so that they are not among these.
        let discordant = sort_counting(&mut seconds);
        let tied_in_second = tied_pairs(seconds.chunk_by(|one, other| one == other).map(<[_]>::len));
        let untied = pairs(items.len()) + tied_both - tied_in_first - tied_in_second;
        Ok(Self {
            concordant: untied - discordant,
            discordant,
            tied_first: tied_in_first - tied_both,
            tied_second: tied_in_second - tied_both,
            tied_both,
        })
    }
}

fn pairs(items: usize) -> u64 {
    let items = items as u64;
    items * items.saturating_sub(1) / 2
}

fn tied_pairs(groups: impl Iterator<Item = usize>) -> u64 {
    groups.map(pairs).sum()
}

/// Sorts values and returns how many pairs stood in falling order.
fn sort_counting(values: &mut [f64]) -> u64 {
    let mut merged = values.to_vec();
    let (mut falling, mut width) = (0, 1);
    while width < values.len() {
        for start in (0..values.len()).step_by(2 * width) {
            let middle = (start + width).min(values.len());
            let end = (middle + width).min(values.len());
            falling += merge(
                &values[start..middle],
                &values[middle..end],
                &mut merged[start..end],
            );
        }
        values.copy_from_slice(&merged);
        width *= 2;
    }
    falling
}

/// Merges two sorted lists and returns how many pairs of one value of each stood in falling order.
fn merge(left: &[f64], right: &[f64], merged: &mut [f64]) -> u64 {
    let (mut one, mut other, mut falling) = (0, 0, 0);
    for place in merged {
        if other == right.len() || (one < left.len() && left[one] <= right[other]) {
            *place = left[one];
            one += 1;
        } else {
            *place = right[other];
            other += 1;
            falling += (left.len() - one) as u64;
        }
    }
    falling
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{KendallError, PairAgreement};

    #[test]
    fn the_closed_forms() {
        let tau = |first: &[f64], second: &[f64]| {
            let agreement = PairAgreement::of_many(first, second).unwrap();
            (agreement.tau_a(), agreement.tau_b())
        };
        assert_eq!(
            tau(&[1.0, 2.0, 3.0], &[1.0, 3.0, 2.0]),
            (Some(1.0 / 3.0), Some(1.0 / 3.0))
        );
        assert_eq!(tau(&[1.0, 2.0], &[5.0, 5.0]), (Some(0.0), None));
        assert_eq!(tau(&[1.0], &[1.0]), (None, None));
        assert_eq!(tau(&[], &[]), (None, None));
        let falling: Vec<f64> = (0..1001).map(|item| -f64::from(item)).collect();
        let rising: Vec<f64> = (0..1001).map(f64::from).collect();
        assert_eq!(tau(&rising, &falling), (Some(-1.0), Some(-1.0)));
    }

    #[test]
    fn what_cannot_be_compared_is_refused() {
        let lengths = KendallError::Lengths { first: 1, second: 2 };
        assert_eq!(PairAgreement::of_many(&[1.0], &[1.0, 2.0]), Err(lengths));
        let nan = KendallError::NotANumber { item: 1 };
        assert_eq!(PairAgreement::of_many(&[1.0, 2.0], &[1.0, f64::NAN]), Err(nan));
    }

    proptest! {
        #[test]
        fn it_is_what_all_pairs_say(items in proptest::collection::vec((0_i8..6, -3_i8..4), 0..60)) {
            let first: Vec<f64> = items.iter().map(|item| f64::from(item.0)).collect();
            // A zero of either sign is the same number.
            let second: Vec<f64> = items
                .iter()
                .enumerate()
                .map(|(place, item)| match (item.1, place % 2) {
                    (0, 1) => -0.0,
                    (number, _) => f64::from(number),
                })
                .collect();
            prop_assert_eq!(
                PairAgreement::of_many(&first, &second).unwrap(),
                PairAgreement::of(&first, &second).unwrap()
            );
        }
    }
}
