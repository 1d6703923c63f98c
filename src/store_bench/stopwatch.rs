//! Taking the time.

use std::time::Instant;

use super::error::StoreBenchError;

/// Returns what some work yields and the seconds it took.
pub(super) fn time<T>(
    work: impl FnOnce() -> Result<T, StoreBenchError>,
) -> Result<(T, f64), StoreBenchError> {
    let started = Instant::now();
    let result = work()?;
    Ok((result, started.elapsed().as_secs_f64()))
}

/// Returns the value in the middle, which one slow moment of the disk does not move; zero of nothing.
pub(super) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&mut [3.0, 100.0, 1.0]), 3.0);
        assert_eq!(median(&mut []), 0.0);
    }
}
