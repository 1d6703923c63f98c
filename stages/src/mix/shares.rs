//! How many rows a share is.

/// Divides rows by shares, which need not add up to exactly 1: what rounding down leaves goes to the largest remainders,
/// the first of equal ones first.
pub(super) fn divided(rows: u64, shares: &[f64]) -> Vec<u64> {
    let sum: f64 = shares.iter().sum();
    let exact: Vec<f64> = shares.iter().map(|share| rows as f64 * (share / sum)).collect();
    let mut counts: Vec<u64> = exact.iter().map(|exact| exact.floor() as u64).collect();
    let left = rows.saturating_sub(counts.iter().sum());
    let mut order: Vec<usize> = (0..shares.len()).filter(|&input| shares[input] > 0.0).collect();
    order.sort_by(|&one, &other| exact[other].fract().total_cmp(&exact[one].fract()));
    for &input in order.iter().cycle().take(left as usize) {
        counts[input] += 1;
    }
    counts
}

/// The most rows that shares allow where each input has so many rows, without asking any of them for more than its share.
pub(super) fn most_rows(available: &[u64], shares: &[f64]) -> u64 {
    let sum: f64 = shares.iter().sum();
    let bounds = available.iter().zip(shares).filter(|(_, share)| **share > 0.0);
    // A quotient that rounding leaves just below a whole number is that number.
    let bounds = bounds.map(|(available, share)| (*available as f64 * (sum / share) + 1e-6).floor() as u64);
    let mut rows = bounds.min().unwrap_or(0);
    while rows > 0 && lacking(rows, available, shares).is_some() {
        rows -= 1;
    }
    rows
}

/// The first input that has fewer rows than its share of the result.
pub(super) fn lacking(rows: u64, available: &[u64], shares: &[f64]) -> Option<usize> {
    let counts = divided(rows, shares);
    counts
        .iter()
        .zip(available)
        .position(|(count, available)| count > available)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_divided_by_the_largest_remainders() {
        assert_eq!(divided(100, &[0.75, 0.25]), [75, 25]);
        assert_eq!(divided(3, &[0.75, 0.25]), [2, 1]);
        assert_eq!(divided(2, &[0.75, 0.25]), [2, 0]);
        assert_eq!(divided(10, &[0.0, 1.0]), [0, 10]);
        assert_eq!(divided(10, &[0.333, 0.333, 0.333]), [4, 3, 3]);
        assert_eq!(divided(100, &[0.29, 0.71]), [29, 71]);
        for rows in 0..50 {
            assert_eq!(divided(rows, &[0.2, 0.3, 0.5]).iter().sum::<u64>(), rows);
        }
    }

    #[test]
    fn as_many_rows_as_the_scarcest_input_allows() {
        assert_eq!(most_rows(&[75, 1_000], &[0.75, 0.25]), 100);
        assert_eq!(most_rows(&[1_000, 25], &[0.75, 0.25]), 100);
        assert_eq!(most_rows(&[10, 10, 10], &[0.1, 0.2, 0.7]), 14);
        assert_eq!(most_rows(&[10, 20], &[1.0, 0.0]), 10);
        assert_eq!(most_rows(&[0, 20], &[0.5, 0.5]), 0);
        assert_eq!(most_rows(&[0, 20], &[0.0, 1.0]), 20);
        assert_eq!(most_rows(&[7, 70], &[0.07, 0.93]), 75);
        assert_eq!(lacking(101, &[75, 1_000], &[0.75, 0.25]), Some(0));
        assert_eq!(lacking(100, &[75, 1_000], &[0.75, 0.25]), None);
    }
}
