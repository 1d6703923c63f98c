//! The Frechet distance of two sets, which FID and FD-DINO are.
//!
//! `d^2 = |m1 - m2|^2 + tr S1 + tr S2 - 2 tr (S1 S2)^(1/2)` (GANs Trained by a Two Time-Scale Update Rule, arXiv
//! 1706.08500). With `S = F^T F` the eigenvalues of `S1 S2` are the squares of the singular values of `F1 F2^T`, so the
//! last trace is their sum, and no root of a matrix is taken: for `n` images the deviations over `sqrt(n - 1)` are such
//! an `F`, and `F1 F2^T` has as many rows and columns as the sets have images; for more images than features it is the
//! Cholesky factor. Neither needs the small number that implementations by a matrix root add to singular covariances.

use super::matrix::Matrix;
use super::resampling::{Resampling, SetEstimate};
use super::singular_values::singular_values;
use super::watch::{Watch, check};
use super::{FeatureMoments, FeatureRows, SetDistanceError};

/// The normal distribution of a set's mean and covariance.
#[derive(Clone, Debug)]
pub struct Gaussian {
    mean: Vec<f64>,
    factor: Matrix,
}

impl Gaussian {
    /// A distribution of a covariance `F^T F`.
    pub(super) fn with_factor(mean: Vec<f64>, factor: Matrix) -> Self {
        Self { mean, factor }
    }

    /// A distribution of statistics that others have computed.
    ///
    /// # Errors
    /// When the covariance is not as wide and high as the mean is long.
    pub fn new(mean: Vec<f64>, covariance: &Matrix) -> Result<Self, SetDistanceError> {
        for found in [covariance.rows, covariance.columns] {
            if found != mean.len() {
                return Err(SetDistanceError::Width {
                    expected: mean.len(),
                    found,
                });
            }
        }
        Ok(Self {
            mean,
            factor: super::cholesky::covariance_factor(covariance),
        })
    }

    /// The mean.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// A matrix `F` with the covariance `F^T F`.
    pub fn factor(&self) -> &Matrix {
        &self.factor
    }

    /// The sum of the variances.
    fn total_variance(&self) -> f64 {
        self.factor.values.iter().map(|value| value * value).sum()
    }
}

/// Computes the Frechet distance, which is a squared one, as everywhere.
///
/// # Errors
/// When features differ in width, or a computation gives no result.
pub fn frechet_distance(one: &Gaussian, other: &Gaussian) -> Result<f64, SetDistanceError> {
    if one.mean.len() != other.mean.len() {
        return Err(SetDistanceError::Width {
            expected: one.mean.len(),
            found: other.mean.len(),
        });
    }
    let apart: f64 = one
        .mean
        .iter()
        .zip(&other.mean)
        .map(|(a, b)| (a - b).powi(2))
        .sum();
    let crossed = one.factor.times_transposed(&other.factor)?;
    let common: f64 = singular_values(crossed)?.iter().sum();
    // Rounding may take equal sets below zero.
    Ok((apart + one.total_variance() + other.total_variance() - 2.0 * common).max(0.0))
}

/// Computes the Frechet distance with an interval, from features in memory.
///
/// Each resample gathers its own moments, so it costs as much as the distance itself.
///
/// # Errors
/// When a set has fewer than two images, features differ in width, a computation gives no result, or `watch` stops it.
pub fn resampled_frechet_distance(
    images: &FeatureRows,
    reference: &FeatureRows,
    resampling: &Resampling,
    watch: Watch<'_>,
) -> Result<SetEstimate, SetDistanceError> {
    resampling.check()?;
    let whole = |rows: &FeatureRows| FeatureMoments::try_from(rows)?.gaussian();
    let (of_images, of_reference) = (whole(images)?, whole(reference)?);
    let value = frechet_distance(&of_images, &of_reference)?;
    let replicate = |index| -> Result<f64, SetDistanceError> {
        let drawn = resampling.of_images(index, images.count());
        let of_images = repeated(images, &drawn)?;
        let distance = match resampling.of_reference(index, reference.count()) {
            None => frechet_distance(&of_images, &of_reference),
            Some(drawn) => frechet_distance(&of_images, &repeated(reference, &drawn)?),
        }?;
        check(watch, 1)?;
        Ok(distance)
    };
    check(watch, 0)?;
    let replicates = (0..resampling.replicates)
        .map(replicate)
        .collect::<Result<Vec<f64>, SetDistanceError>>()?;
    Ok(resampling.estimate(value, replicates))
}

/// The distribution of a set in which each image stands as often as it was drawn.
fn repeated(rows: &FeatureRows, drawn: &[u32]) -> Result<Gaussian, SetDistanceError> {
    let mut moments = FeatureMoments::new(rows.width());
    for (row, times) in rows.rows().zip(drawn) {
        for _ in 0..*times {
            moments.push(row)?;
        }
    }
    moments.gaussian()
}

#[cfg(test)]
mod tests {
    use mitune_diffusion::nn::weights::seeded_input_values;

    use super::*;

    fn diagonal(mean: &[f64], variances: &[f64]) -> Gaussian {
        let mut covariance = Matrix::zeros(mean.len(), mean.len());
        for (index, variance) in variances.iter().enumerate() {
            covariance.values[index * (mean.len() + 1)] = *variance;
        }
        Gaussian::new(mean.to_vec(), &covariance).unwrap()
    }

    fn rows(name: &str, count: usize, width: usize) -> FeatureRows {
        let values = seeded_input_values(3, name, count * width);
        FeatureRows::of(width, values.chunks_exact(width)).unwrap()
    }

    fn distance(one: &FeatureRows, other: &FeatureRows) -> f64 {
        let gaussian = |rows: &FeatureRows| FeatureMoments::try_from(rows).unwrap().gaussian().unwrap();
        frechet_distance(&gaussian(one), &gaussian(other)).unwrap()
    }

    /// N(0, 1) and N(1, 4): 1 + (1 - 2)^2.
    #[test]
    fn closed_forms_of_normal_distributions() {
        let found = frechet_distance(&diagonal(&[0.0], &[1.0]), &diagonal(&[1.0], &[4.0])).unwrap();
        assert!((found - 2.0).abs() < 1e-14, "{found}");
        let one = diagonal(&[1.0, 0.0, 2.0], &[9.0, 0.0, 1.0]);
        let other = diagonal(&[0.0, 0.0, 0.0], &[4.0, 25.0, 0.0]);
        let found = frechet_distance(&one, &other).unwrap();
        assert!((found - (5.0 + 1.0 + 25.0 + 1.0)).abs() < 1e-13, "{found}");
        let nothing = diagonal(&[0.5], &[0.0]);
        assert_eq!(frechet_distance(&nothing, &nothing).unwrap(), 0.0);
        assert!(frechet_distance(&nothing, &one).is_err());
    }

    #[test]
    fn a_set_is_at_no_distance_from_itself_and_at_that_of_a_shift_from_its_shift() {
        for (count, width) in [(2, 30), (20, 30), (300, 12), (700, 12)] {
            let set = rows("set", count, width);
            assert!(distance(&set, &set) < 1e-12 * width as f64);
            let moved = set
                .rows()
                .map(|row| row.iter().map(|value| value + 0.5).collect::<Vec<_>>());
            let moved = FeatureRows::of(width, moved).unwrap();
            let expected = 0.25 * width as f64;
            assert!(
                (distance(&set, &moved) / expected - 1.0).abs() < 1e-5,
                "{count} x {width}"
            );
        }
    }

    /// The same distance whether rows are kept or folded into a covariance.
    #[test]
    fn few_and_many_images_go_two_ways_to_one_distance() {
        let (one, other) = (rows("one", 60, 8), rows("other", 50, 8));
        let kept = distance(&one, &other);
        let covariance = |rows: &FeatureRows| {
            let gaussian = FeatureMoments::try_from(rows).unwrap().gaussian().unwrap();
            Gaussian::new(gaussian.mean().to_vec(), &gaussian.factor().gram().unwrap()).unwrap()
        };
        let folded = frechet_distance(&covariance(&one), &covariance(&other)).unwrap();
        assert!((kept / folded - 1.0).abs() < 1e-12, "{kept} {folded}");
    }

    #[test]
    fn an_interval_holds_the_distance_and_follows_from_its_seed() {
        let (one, other) = (rows("one", 40, 6), rows("other", 30, 6));
        let settings = Resampling {
            replicates: 60,
            seed: 4,
            ..Resampling::default()
        };
        let all = |_: usize| true;
        let estimate = resampled_frechet_distance(&one, &other, &settings, &all).unwrap();
        assert!((estimate.value - distance(&one, &other)).abs() < 1e-12);
        assert!(
            estimate.low < estimate.value && estimate.value < estimate.high,
            "{estimate:?}"
        );
        assert_eq!(
            resampled_frechet_distance(&one, &other, &settings, &all).unwrap(),
            estimate
        );
        let fixed = Resampling {
            resample_reference: false,
            ..settings
        };
        let fixed = resampled_frechet_distance(&one, &other, &fixed, &all).unwrap();
        assert!(
            fixed.standard_error < estimate.standard_error,
            "{fixed:?} {estimate:?}"
        );
    }

    #[test]
    fn resamples_are_counted_and_no_more_are_made_once_nobody_wants_them() {
        let (one, other) = (rows("one", 12, 3), rows("other", 10, 3));
        let settings = Resampling {
            replicates: 1_000_000_000,
            ..Resampling::default()
        };
        let done = std::cell::Cell::new(0_usize);
        let first_three = |more: usize| {
            done.set(done.get() + more);
            done.get() < 3
        };
        let stopped = resampled_frechet_distance(&one, &other, &settings, &first_three);
        assert!(matches!(stopped, Err(SetDistanceError::Stopped)));
        assert_eq!(done.get(), 3);
    }
}
