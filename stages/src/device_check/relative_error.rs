//! How far numbers are from others.

/// `|found - expected| / |expected|`, Euclidean norms in f64.
pub(super) fn relative_error(expected: &[f32], found: &[f32]) -> f64 {
    let square = |value: f64| value * value;
    let pairs = expected.iter().zip(found);
    let distance: f64 = pairs.map(|(e, f)| square(f64::from(*f) - f64::from(*e))).sum();
    let length: f64 = expected.iter().map(|e| square(f64::from(*e))).sum();
    match distance {
        0.0 => 0.0,
        distance => (distance / length).sqrt(),
    }
}
