//! The maximum mean discrepancy of two sets, which CMMD is.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::matrix::Matrix;
use super::resampling::{Resampling, SetEstimate};
use super::{FeatureRows, SetDistanceError};

/// Images of each side of a block: as many squared numbers are in memory at once.
const BLOCK: usize = 1024;

/// The squared maximum mean discrepancy with a Gaussian kernel (Rethinking FID, arXiv 2401.09603, equation 3), the
/// biased estimate in which every image meets itself too.
///
/// Of rows of length 1 the kernel lies between 0.98 and 1, and what is sought is in the digits behind: sums are in f64,
/// where the reference's are in f32 and leave an error of some 1e-4 of the scaled distance. The matrix of all pairs is
/// gone through in blocks.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KernelDistance {
    /// Width of the kernel; 10 by default, as in CMMD.
    pub bandwidth: f64,
    /// What the distance is multiplied by; 1000 by default, as in CMMD.
    pub scale: f64,
}

impl Default for KernelDistance {
    fn default() -> Self {
        Self {
            bandwidth: 10.0,
            scale: 1000.0,
        }
    }
}

/// A set, and how often each of its images counts in each of several resamples.
struct Weighted<'a> {
    rows: &'a FeatureRows,
    weights: Vec<Vec<f64>>,
}

impl KernelDistance {
    /// Computes the distance of embeddings, which CMMD takes of length 1 (see [`FeatureRows::normalized`]).
    ///
    /// # Errors
    /// When a set is empty, features differ in width, or a product of matrices cannot be read.
    pub fn distance(&self, images: &FeatureRows, reference: &FeatureRows) -> Result<f64, SetDistanceError> {
        let once = |rows| Weighted::once(rows, 1);
        let distances = self.distances(&once(images), &once(reference))?;
        Ok(distances.iter().sum())
    }

    /// Computes the distance with an interval; one pass over all pairs serves all resamples.
    ///
    /// # Errors
    /// As [`Self::distance`], and when the settings make no interval.
    pub fn resampled(
        &self,
        images: &FeatureRows,
        reference: &FeatureRows,
        resampling: &Resampling,
    ) -> Result<SetEstimate, SetDistanceError> {
        resampling.check()?;
        let mut of_images = Weighted::once(images, 1);
        let mut of_reference = Weighted::once(reference, 1);
        for index in 0..resampling.replicates {
            let drawn = resampling.of_images(index, images.count());
            of_images.weights.push(drawn.into_iter().map(f64::from).collect());
            of_reference
                .weights
                .push(match resampling.of_reference(index, reference.count()) {
                    Some(drawn) => drawn.into_iter().map(f64::from).collect(),
                    None => vec![1.0; reference.count()],
                });
        }
        let mut distances = self.distances(&of_images, &of_reference)?;
        let replicates = distances.split_off(1);
        Ok(resampling.estimate(distances.iter().sum(), replicates))
    }

    /// The distance in each resample.
    fn distances(&self, x: &Weighted<'_>, y: &Weighted<'_>) -> Result<Vec<f64>, SetDistanceError> {
        for set in [x, y] {
            if set.rows.count() == 0 {
                return Err(SetDistanceError::TooFew {
                    found: 0,
                    needed: 1,
                    purpose: "a kernel distance",
                });
            }
        }
        if x.rows.width() != y.rows.width() {
            return Err(SetDistanceError::Width {
                expected: x.rows.width(),
                found: y.rows.width(),
            });
        }
        let (within_x, within_y) = (self.means(x, x, true)?, self.means(y, y, true)?);
        let across = self.means(x, y, false)?;
        let within = within_x.into_iter().zip(within_y);
        Ok(within
            .zip(across)
            .map(|((x, y), across)| (self.scale * (x + y - 2.0 * across)).max(0.0))
            .collect())
    }

    /// The mean of the kernel over all pairs in each resample; a set with itself is gone through once.
    fn means(&self, x: &Weighted<'_>, y: &Weighted<'_>, same: bool) -> Result<Vec<f64>, SetDistanceError> {
        let mut sums = vec![0.0; x.weights.len()];
        for first in (0..x.rows.count()).step_by(BLOCK) {
            let left = Block::of(x, first);
            let start = if same { first } else { 0 };
            for second in (start..y.rows.count()).step_by(BLOCK) {
                let times = if same && second > first { 2.0 } else { 1.0 };
                let of_block = self.block_sums(&left, &Block::of(y, second))?;
                for (sum, of_block) in sums.iter_mut().zip(of_block) {
                    *sum += times * of_block;
                }
            }
        }
        let pairs = x.rows.count() as f64 * y.rows.count() as f64;
        Ok(sums.into_iter().map(|sum| sum / pairs).collect())
    }

    fn block_sums(&self, left: &Block, right: &Block) -> Result<Vec<f64>, SetDistanceError> {
        let mut kernel = left.rows.times_transposed(&right.rows)?;
        let narrowness = (2.0 * self.bandwidth * self.bandwidth).recip();
        let columns = kernel.columns;
        kernel
            .values
            .par_chunks_mut(columns)
            .zip(&left.squares)
            .for_each(|(values, left)| {
                for (value, right) in values.iter_mut().zip(&right.squares) {
                    let squared = (left + right - 2.0 * *value).max(0.0);
                    *value = (-narrowness * squared).exp();
                }
            });
        let towards = right.weights.times_transposed(&kernel)?;
        let rows = left.weights.values.chunks_exact(left.weights.columns);
        Ok(rows
            .zip(towards.values.chunks_exact(towards.columns))
            .map(|(weights, sums)| {
                weights
                    .iter()
                    .zip(sums)
                    .map(|(weight, sum)| weight * sum)
                    .sum::<f64>()
            })
            .collect())
    }
}

/// Some images of a set in f64.
struct Block {
    rows: Matrix,
    /// Squared length of each row.
    squares: Vec<f64>,
    /// `[resamples, images]`.
    weights: Matrix,
}

impl Block {
    fn of(set: &Weighted<'_>, first: usize) -> Self {
        let count = BLOCK.min(set.rows.count() - first);
        let width = set.rows.width();
        let values = &set.rows.values()[first * width..][..count * width];
        let values: Vec<f64> = values.iter().copied().map(f64::from).collect();
        let squares = values
            .chunks_exact(width)
            .map(|row| row.iter().map(|value| value * value).sum::<f64>())
            .collect();
        Self {
            rows: Matrix {
                rows: count,
                columns: width,
                values,
            },
            squares,
            weights: Matrix {
                rows: set.weights.len(),
                columns: count,
                values: set
                    .weights
                    .iter()
                    .flat_map(|weights| &weights[first..][..count])
                    .copied()
                    .collect(),
            },
        }
    }
}

impl<'a> Weighted<'a> {
    fn once(rows: &'a FeatureRows, resamples: usize) -> Self {
        Self {
            rows,
            weights: vec![vec![1.0; rows.count()]; resamples],
        }
    }
}

#[cfg(test)]
mod tests {
    use mitune_diffusion::nn::weights::seeded_input_values;

    use super::*;

    fn rows(name: &str, count: usize, width: usize) -> FeatureRows {
        let values = seeded_input_values(7, name, count * width);
        let rows = FeatureRows::of(width, values.chunks_exact(width)).unwrap();
        rows.normalized().unwrap()
    }

    #[test]
    fn closed_forms_of_two_vectors() {
        let one = |row: [f32; 2]| FeatureRows::of(2, [row]).unwrap();
        let cmmd = KernelDistance::default();
        let distance = |a, b| cmmd.distance(&one(a), &one(b)).unwrap();
        assert!((distance([1.0, 0.0], [0.0, 1.0]) - 19.900332).abs() < 1e-6);
        assert!((distance([1.0, 0.0], [-1.0, 0.0]) - 39.602653).abs() < 1e-6);
        assert_eq!(distance([0.6, 0.8], [0.6, 0.8]), 0.0);
    }

    /// Sets of more than a block against every pair one by one.
    #[test]
    fn blocks_leave_out_no_pair() {
        let (x, y) = (rows("x", BLOCK + 30, 3), rows("y", 2 * BLOCK + 5, 3));
        let mean = |a: &FeatureRows, b: &FeatureRows| {
            let of_row = |a: &[f32]| {
                let kernel = |b: &[f32]| {
                    let squared = |(a, b): (&f32, &f32)| (f64::from(*a) - f64::from(*b)).powi(2);
                    (-a.iter().zip(b).map(squared).sum::<f64>() / 200.0).exp()
                };
                b.rows().map(kernel).sum::<f64>()
            };
            a.rows().map(of_row).sum::<f64>() / (a.count() * b.count()) as f64
        };
        let expected = 1000.0 * (mean(&x, &x) + mean(&y, &y) - 2.0 * mean(&x, &y));
        let found = KernelDistance::default().distance(&x, &y).unwrap();
        assert!((found - expected).abs() < 1e-9, "{found} {expected}");
    }

    /// Weights against a set in which images really stand several times.
    #[test]
    fn resamples_are_distances_of_repeated_images() {
        let (x, y) = (rows("x", 40, 4), rows("y", 25, 4));
        let settings = Resampling {
            replicates: 2,
            ..Resampling::default()
        };
        let estimate = KernelDistance::default().resampled(&x, &y, &settings).unwrap();
        let repeated = |rows: &FeatureRows, drawn: Vec<u32>| {
            let times = rows.rows().zip(drawn);
            let rows_again = times.flat_map(|(row, times)| vec![row.to_vec(); times as usize]);
            FeatureRows::of(4, rows_again).unwrap()
        };
        let distance = |index| {
            let x = repeated(&x, settings.of_images(index, 40));
            let y = repeated(&y, settings.of_reference(index, 25).unwrap());
            KernelDistance::default().distance(&x, &y).unwrap()
        };
        let mean = (distance(0) + distance(1)) / 2.0;
        assert!((estimate.resampled_mean - mean).abs() < 1e-9);
        let plain = KernelDistance::default().distance(&x, &y).unwrap();
        assert!((estimate.value - plain).abs() < 1e-9);
    }

    #[test]
    fn empty_sets_and_other_widths_are_refused() {
        let cmmd = KernelDistance::default();
        let some = rows("x", 3, 4);
        for other in [FeatureRows::new(4), rows("x", 3, 5)] {
            assert!(cmmd.distance(&some, &other).is_err());
            assert!(cmmd.distance(&other, &some).is_err());
        }
    }
}
