//! Choosing prompts without looking at their results.

/// Returns at most `count` positions spread evenly over `length`, rising.
pub(super) fn spread(length: usize, count: usize) -> Vec<usize> {
    let count = count.min(length);
    (0..count).map(|number| number * length / count.max(1)).collect()
}

#[cfg(test)]
mod tests {
    use super::spread;

    #[test]
    fn positions_are_even_and_inside() {
        assert_eq!(spread(10, 5), [0, 2, 4, 6, 8]);
        assert_eq!(spread(3, 8), [0, 1, 2]);
        assert_eq!(spread(0, 8), Vec::<usize>::new());
        assert_eq!(spread(100, 0), Vec::<usize>::new());
    }
}
