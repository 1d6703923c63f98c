//! A matrix whose rows have a given covariance.

use rayon::prelude::*;

use super::matrix::Matrix;

/// Columns that one thread works on.
const COLUMNS: usize = 256;

/// Finds `F` of as many rows as the rank with `F^T F = S`, for a symmetric `S` without negative eigenvalues.
///
/// The rows are those of the Cholesky factor in the order of the largest diagonal that is left (Higham, Analysis of the
/// Cholesky decomposition of a semi-definite matrix, 1990), so that a covariance of fewer images than features, whose
/// root plain elimination would take of rounding, comes to an end at its rank.
pub(super) fn covariance_factor(covariance: &Matrix) -> Matrix {
    let width = covariance.columns;
    let mut left: Vec<f64> = covariance.diagonal().collect();
    let largest = left.iter().copied().fold(0.0, f64::max);
    let negligible = width as f64 * f64::EPSILON * largest;
    let mut values: Vec<f64> = Vec::new();
    let mut rows = 0;
    while rows < width {
        let Some(pivot) = (0..width).max_by(|a, b| left[*a].total_cmp(&left[*b])) else {
            break;
        };
        if left[pivot] <= negligible {
            break;
        }
        let root = left[pivot].sqrt();
        let mut row = covariance.row(pivot).to_vec();
        row.par_chunks_mut(COLUMNS).enumerate().for_each(|(chunk, row)| {
            for known in values.chunks_exact(width) {
                let factor = known[pivot];
                for (value, known) in row.iter_mut().zip(&known[chunk * COLUMNS..]) {
                    *value -= factor * known;
                }
            }
            for value in row {
                *value /= root;
            }
        });
        for (left, value) in left.iter_mut().zip(&row) {
            *left -= value * value;
        }
        left[pivot] = 0.0;
        values.extend(row);
        rows += 1;
    }
    Matrix {
        rows,
        columns: width,
        values,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_factor_of_a_covariance_of_low_rank_gives_it_back() {
        let (images, width) = (7, 300);
        let features = Matrix {
            rows: images,
            columns: width,
            values: (0..images * width)
                .map(|index| ((index * 37 % 101) as f64).sin())
                .collect(),
        };
        let covariance = features.gram().unwrap();
        let factor = covariance_factor(&covariance);
        assert!(factor.rows <= images, "{}", factor.rows);
        let again = factor.gram().unwrap();
        for (found, expected) in again.values.iter().zip(&covariance.values) {
            assert!((found - expected).abs() < 1e-9);
        }
    }

    #[test]
    fn nothing_varies_where_everything_is_equal() {
        assert_eq!(covariance_factor(&Matrix::zeros(3, 3)).rows, 0);
    }
}
