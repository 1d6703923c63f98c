//! The maximum mean discrepancy of two sets, which CMMD is.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::matrix::Matrix;
use super::resampling::{Resampling, SetEstimate};
use super::watch::{Watch, check};
use super::{FeatureRows, SetDistanceError};

/// Images of each side of a block: as many squared numbers are in memory at once.
const BLOCK: usize = 1024;

/// Most resamples that go through all pairs together.
const MOST_TOGETHER: usize = 1024;

/// Most times that images are drawn in resamples that go through all pairs together: a quarter of a gigabyte.
const MOST_DRAWN: usize = 1 << 26;

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
    times: Vec<Vec<u32>>,
}

impl KernelDistance {
    /// Computes the distance of embeddings, which CMMD takes of length 1 (see [`FeatureRows::normalized`]).
    ///
    /// # Errors
    /// When a set is empty, features differ in width, or a product of matrices cannot be read.
    pub fn distance(&self, images: &FeatureRows, reference: &FeatureRows) -> Result<f64, SetDistanceError> {
        self.watched_distance(images, reference, &|_| true)
    }

    /// The same, which `watch` can stop.
    ///
    /// # Errors
    /// As [`Self::distance`], and when it is stopped.
    pub fn watched_distance(
        &self,
        images: &FeatureRows,
        reference: &FeatureRows,
        watch: Watch<'_>,
    ) -> Result<f64, SetDistanceError> {
        let distances = self.distances(&Weighted::once(images), &Weighted::once(reference), watch)?;
        Ok(distances.iter().sum())
    }

    /// Computes the distance with an interval; a pass over all pairs serves as many resamples as memory has room for.
    ///
    /// # Errors
    /// As [`Self::distance`], when the settings make no interval, and when `watch` stops it.
    pub fn resampled(
        &self,
        images: &FeatureRows,
        reference: &FeatureRows,
        resampling: &Resampling,
        watch: Watch<'_>,
    ) -> Result<SetEstimate, SetDistanceError> {
        let drawn = images.count() + reference.count();
        let together = (MOST_DRAWN / drawn.max(1)).clamp(1, MOST_TOGETHER);
        self.resampled_by(images, reference, resampling, (together, watch))
    }

    fn resampled_by(
        &self,
        images: &FeatureRows,
        reference: &FeatureRows,
        resampling: &Resampling,
        (together, watch): (usize, Watch<'_>),
    ) -> Result<SetEstimate, SetDistanceError> {
        resampling.check()?;
        // The sets themselves go with the first resamples.
        let (mut of_images, mut of_reference) = (Weighted::once(images), Weighted::once(reference));
        let mut distances = Vec::new();
        for first in (0..resampling.replicates).step_by(together) {
            let end = first.saturating_add(together).min(resampling.replicates);
            for index in first..end {
                of_images.times.push(resampling.of_images(index, images.count()));
                let drawn = resampling.of_reference(index, reference.count());
                of_reference
                    .times
                    .push(drawn.unwrap_or_else(|| vec![1; reference.count()]));
            }
            distances.extend(self.distances(&of_images, &of_reference, watch)?);
            check(watch, end - first)?;
            of_images.times.clear();
            of_reference.times.clear();
        }
        let replicates = distances.split_off(1);
        Ok(resampling.estimate(distances.iter().sum(), replicates))
    }

    /// The distance in each resample.
    fn distances(
        &self,
        x: &Weighted<'_>,
        y: &Weighted<'_>,
        watch: Watch<'_>,
    ) -> Result<Vec<f64>, SetDistanceError> {
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
        let (within_x, within_y) = (self.means(x, x, true, watch)?, self.means(y, y, true, watch)?);
        let across = self.means(x, y, false, watch)?;
        let within = within_x.into_iter().zip(within_y);
        Ok(within
            .zip(across)
            .map(|((x, y), across)| (self.scale * (x + y - 2.0 * across)).max(0.0))
            .collect())
    }

    /// The mean of the kernel over all pairs in each resample; a set with itself is gone through once.
    fn means(
        &self,
        x: &Weighted<'_>,
        y: &Weighted<'_>,
        same: bool,
        watch: Watch<'_>,
    ) -> Result<Vec<f64>, SetDistanceError> {
        let mut sums = vec![0.0; x.times.len()];
        for first in (0..x.rows.count()).step_by(BLOCK) {
            let left = Block::of(x, first);
            let start = if same { first } else { 0 };
            for second in (start..y.rows.count()).step_by(BLOCK) {
                check(watch, 0)?;
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
                rows: set.times.len(),
                columns: count,
                values: set
                    .times
                    .iter()
                    .flat_map(|times| &times[first..][..count])
                    .map(|times| f64::from(*times))
                    .collect(),
            },
        }
    }
}

impl<'a> Weighted<'a> {
    /// A set in which each image counts once.
    fn once(rows: &'a FeatureRows) -> Self {
        Self {
            rows,
            times: vec![vec![1; rows.count()]],
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
        let cmmd = KernelDistance::default();
        let estimate = cmmd.resampled(&x, &y, &settings, &|_| true).unwrap();
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

    /// Memory holds a few resamples at a time, which changes none of them.
    #[test]
    fn resamples_are_the_same_however_many_go_together() {
        let (x, y) = (rows("x", 40, 4), rows("y", 25, 4));
        let settings = Resampling {
            replicates: 23,
            ..Resampling::default()
        };
        let cmmd = KernelDistance::default();
        let by = |together| {
            let done = std::cell::Cell::new(0_usize);
            let count = |more: usize| {
                done.set(done.get() + more);
                true
            };
            let estimate = cmmd.resampled_by(&x, &y, &settings, (together, &count)).unwrap();
            assert_eq!(done.get(), 23);
            estimate
        };
        let all = by(23);
        let numbers = |estimate: SetEstimate| {
            [
                estimate.value,
                estimate.standard_error,
                estimate.low,
                estimate.high,
                estimate.resampled_mean,
            ]
        };
        for together in [1, 5, 22, 1000] {
            for (found, expected) in numbers(by(together)).into_iter().zip(numbers(all)) {
                assert!((found - expected).abs() < 1e-9, "{together}: {found} {expected}");
            }
        }
    }

    /// More resamples than any memory holds.
    #[test]
    fn a_computation_that_nobody_wants_ends() {
        let (x, y) = (rows("x", 40, 4), rows("y", 25, 4));
        let settings = Resampling {
            replicates: usize::MAX,
            ..Resampling::default()
        };
        let cmmd = KernelDistance::default();
        for wanted in [0, 1] {
            let done = std::cell::Cell::new(0_usize);
            let watch = |more: usize| {
                done.set(done.get() + more);
                done.get() < wanted
            };
            let stopped = cmmd.resampled(&x, &y, &settings, &watch);
            assert!(matches!(stopped, Err(SetDistanceError::Stopped)));
            assert_eq!(done.get(), wanted * MOST_TOGETHER);
        }
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
