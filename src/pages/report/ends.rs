//! The ends of an axis.

/// Returns the lowest and the highest value, apart from each other; none without a finite value.
pub(super) fn ends(values: impl IntoIterator<Item = f64>) -> Option<[f64; 2]> {
    let mut ends: Option<[f64; 2]> = None;
    for value in values.into_iter().filter(|value| value.is_finite()) {
        let [low, high] = ends.unwrap_or([value, value]);
        ends = Some([low.min(value), high.max(value)]);
    }
    let [low, high] = ends?;
    let margin = if low == high {
        low.abs().max(1.0) * 0.05
    } else {
        0.0
    };
    Some([low - margin, high + margin])
}

#[cfg(test)]
mod tests {
    use super::ends;

    #[test]
    fn ends_are_finite_and_apart() {
        assert_eq!(ends([2.0, f64::NAN, 1.0]), Some([1.0, 2.0]));
        assert_eq!(ends([]), None);
        assert!(ends([3.0]).is_some_and(|[low, high]| low < 3.0 && 3.0 < high));
    }
}
