//! How far two tables are apart that should be the same.

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use mitune_store::{Artifact, ArtifactKind, Store, StoreError};

/// Sums over the numbers of a column.
#[derive(Clone, Copy, Default)]
struct Error {
    squares: f64,
    count: f64,
    peak: f64,
}

/// Returns the distance of the difference from the peak of the recorded numbers in dB, the worst of all columns.
///
/// `None` if the artifacts are no tables, or differ in anything but floating-point numbers.
pub(super) fn peak_signal_to_noise(
    recorded: (&Store, &Artifact),
    now: (&Store, &Artifact),
) -> Result<Option<f64>, StoreError> {
    let is_table = |artifact: &Artifact| matches!(artifact.kind, ArtifactKind::Table | ArtifactKind::Parts);
    if !is_table(recorded.1) || !is_table(now.1) || recorded.1.rows != now.1.rows {
        return Ok(None);
    }
    let left = recorded.0.artifacts().read_table_whole(recorded.1, None)?;
    let right = now.0.artifacts().read_table_whole(now.1, None)?;
    if left.schema().fields() != right.schema().fields() {
        return Ok(None);
    }
    let mut worst = f64::INFINITY;
    for (left, right) in left.columns().iter().zip(right.columns()) {
        let mut error = Error::default();
        if !add(left, right, &mut error) {
            return Ok(None);
        }
        if error.squares > 0.0 {
            let mean = error.squares / error.count;
            worst = worst.min(10.0 * (error.peak * error.peak / mean).log10());
        }
    }
    Ok(worst.is_finite().then_some(worst))
}

/// Adds the differences of two columns; false if they differ in more than numbers.
fn add(left: &ArrayRef, right: &ArrayRef, error: &mut Error) -> bool {
    if left.len() != right.len() || left.nulls() != right.nulls() {
        return false;
    }
    match left.data_type() {
        DataType::Float32 => {
            let pair = (
                left.as_primitive::<Float32Type>(),
                right.as_primitive::<Float32Type>(),
            );
            let numbers = pair.0.values().iter().zip(pair.1.values());
            numbers.for_each(|(a, b)| error.number(f64::from(*a), f64::from(*b)));
            true
        }
        DataType::Float64 => {
            let pair = (
                left.as_primitive::<Float64Type>(),
                right.as_primitive::<Float64Type>(),
            );
            let numbers = pair.0.values().iter().zip(pair.1.values());
            numbers.for_each(|(a, b)| error.number(*a, *b));
            true
        }
        DataType::List(_) => {
            let (left, right) = (left.as_list::<i32>(), right.as_list::<i32>());
            left.value_offsets() == right.value_offsets() && add(left.values(), right.values(), error)
        }
        _ => left == right,
    }
}

impl Error {
    fn number(&mut self, recorded: f64, now: f64) {
        self.count += 1.0;
        self.peak = self.peak.max(recorded.abs());
        // Equal infinities differ by nothing.
        if recorded.to_bits() != now.to_bits() {
            self.squares += (recorded - now) * (recorded - now);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Float64Array, Int64Array, RecordBatch};

    use super::*;

    fn artifact(store: &Store, numbers: Vec<f64>, label: i64) -> Artifact {
        let labels: ArrayRef = Arc::new(Int64Array::from(vec![label; numbers.len()]));
        let numbers: ArrayRef = Arc::new(Float64Array::from(numbers));
        let batch = RecordBatch::try_from_iter([("number", numbers), ("label", labels)]).unwrap();
        store.artifacts().put_table(&batch.schema(), [batch]).unwrap()
    }

    #[test]
    fn noise_is_measured_against_the_peak() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("store")).unwrap();
        let one = artifact(&store, vec![10.0, -5.0], 1);
        let close = artifact(&store, vec![10.0, -5.0 + 0.01 * 2.0_f64.sqrt()], 1);
        let psnr = |other: &Artifact| peak_signal_to_noise((&store, &one), (&store, other)).unwrap();
        // Peak 10 against noise of a mean square of 0.01 squared.
        assert!((psnr(&close).unwrap() - 60.0).abs() < 1e-9);
        assert_eq!(psnr(&artifact(&store, vec![10.0, -5.0], 2)), None);
        assert_eq!(psnr(&artifact(&store, vec![10.0], 1)), None);
        assert_eq!(psnr(&artifact(&store, vec![10.0, f64::NAN], 1)), None);
    }
}
