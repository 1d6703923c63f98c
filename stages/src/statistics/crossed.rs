//! Means over two things that are both samples, such as prompts and training seeds.
//!
//! The same prompts are looked at with every seed, so a resample draws prompts and, independently of them, seeds, each
//! with replacement, and takes the images of every drawn pair: the hierarchical bootstrap of crossed factors (Owen 2007,
//! "The pigeonhole bootstrap"). With few seeds the interval is somewhat too narrow, by about `sqrt((S - 1) / S)` in the
//! part that the `S` seeds have in it: 18% with three.

use rayon::prelude::*;

use super::bootstrap::{BootstrapError, BootstrapSettings, Cluster, Estimate, quantile};
use crate::draws::Draws;

impl BootstrapSettings {
    /// Returns the mean over all observations with its percentile interval over rows and columns; none when there is no
    /// observation.
    ///
    /// `cells` holds one row for each seed, and in it a cluster for each prompt, in the same order. Resamples without an
    /// observation are left out. `clusters` of the estimate counts the prompts.
    ///
    /// # Errors
    /// When the settings are refused, rows differ in length, or a sum is not finite.
    pub fn crossed_mean(&self, cells: &[Vec<Cluster>]) -> Result<Option<Estimate>, BootstrapError> {
        self.check()?;
        let columns = cells.first().map_or(0, Vec::len);
        if let Some(other) = cells.iter().find(|row| row.len() != columns) {
            return Err(BootstrapError::Ragged(columns, other.len()));
        }
        let all = || cells.iter().flatten();
        if let Some(broken) = all().find(|cluster| !cluster.sum.is_finite()) {
            return Err(BootstrapError::NotFinite(broken.sum));
        }
        let count: u64 = all().map(|cluster| cluster.count).sum();
        if count == 0 {
            return Ok(None);
        }
        let size = |length: usize| u32::try_from(length).map_err(|_| BootstrapError::TooMany(length));
        let (rows, columns) = (size(cells.len())?, size(columns)?);
        let mut replicates: Vec<f64> = (0..u64::from(self.replicates))
            .into_par_iter()
            .filter_map(|replicate| {
                let mut draws = Draws::new("crossed bootstrap", self.seed, replicate);
                let drawn_rows: Vec<usize> = (0..rows).map(|_| draws.below(rows) as usize).collect();
                let (mut sum, mut count) = (0.0, 0_u64);
                for _ in 0..columns {
                    let column = draws.below(columns) as usize;
                    for &row in &drawn_rows {
                        sum += cells[row][column].sum;
                        count += cells[row][column].count;
                    }
                }
                (count > 0).then(|| sum / count as f64)
            })
            .collect();
        replicates.sort_unstable_by(f64::total_cmp);
        let value = all().map(|cluster| cluster.sum).sum::<f64>() / count as f64;
        let outside = (1.0 - self.confidence) / 2.0;
        let ends = match replicates.is_empty() {
            true => [value, value],
            false => [outside, 1.0 - outside].map(|share| quantile(&replicates, share)),
        };
        let occupied = |column: &usize| cells.iter().any(|row| row[*column].count > 0);
        Ok(Some(Estimate {
            value,
            low: ends[0],
            high: ends[1],
            clusters: (0..columns as usize).filter(occupied).count() as u64,
            observations: count,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> BootstrapSettings {
        BootstrapSettings {
            replicates: 4000,
            ..BootstrapSettings::default()
        }
    }

    fn normal(draws: &mut Draws) -> f64 {
        (0..12).map(|_| draws.unit()).sum::<f64>() - 6.0
    }

    /// One row and one column each leave the plain bootstrap over the other.
    #[test]
    fn with_one_seed_it_is_the_bootstrap_over_prompts() {
        let mut draws = Draws::new("crossed test", 0, 0);
        let row: Vec<Cluster> = (0..60).map(|_| Cluster::of([normal(&mut draws)])).collect();
        let plain = settings().mean(&row).unwrap().unwrap();
        let column: Vec<Vec<Cluster>> = row.iter().map(|cluster| vec![*cluster]).collect();
        for cells in [vec![row], column] {
            let crossed = settings().crossed_mean(&cells).unwrap().unwrap();
            assert!((crossed.value - plain.value).abs() < 1e-12);
            let width = |estimate: Estimate| estimate.high - estimate.low;
            assert!((width(crossed) / width(plain) - 1.0).abs() < 0.06);
        }
    }

    /// The variance of the mean is that of the seeds' part plus that of the prompts' part, each over its number; the
    /// plain bootstrap over prompts sees the second alone.
    #[test]
    fn the_width_has_a_part_of_seeds_and_one_of_prompts() {
        let (seeds, prompts) = (40, 50);
        let mut draws = Draws::new("crossed width test", 0, 0);
        let of_prompt: Vec<f64> = (0..prompts).map(|_| normal(&mut draws)).collect();
        let cells: Vec<Vec<Cluster>> = (0..seeds)
            .map(|_| {
                let of_seed = 0.5 * normal(&mut draws);
                of_prompt
                    .iter()
                    .map(|value| Cluster::of([value + of_seed]))
                    .collect()
            })
            .collect();
        let variance = |values: Vec<f64>| {
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let squares = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
            squares / (values.len() as f64).powi(2)
        };
        let row_means = cells
            .iter()
            .map(|row| row.iter().map(|cell| cell.sum).sum::<f64>() / prompts as f64);
        let expected = variance(row_means.collect()) + variance(of_prompt.clone());
        let crossed = settings().crossed_mean(&cells).unwrap().unwrap();
        let width = (crossed.high - crossed.low) / (2.0 * 1.959_964);
        assert!((width / expected.sqrt() - 1.0).abs() < 0.05, "{width} {expected}");
        assert_eq!((crossed.clusters, crossed.observations), (50, 2000));
    }

    #[test]
    fn what_cannot_be_resampled_is_refused_or_nothing() {
        let one = || Cluster::of([1.0]);
        assert_eq!(settings().crossed_mean(&[]), Ok(None));
        assert_eq!(settings().crossed_mean(&[vec![Cluster::default()]]), Ok(None));
        let ragged = settings().crossed_mean(&[vec![one()], vec![one(), one()]]);
        assert_eq!(ragged, Err(BootstrapError::Ragged(1, 2)));
        let broken = settings().crossed_mean(&[vec![Cluster::of([f64::INFINITY])]]);
        assert!(matches!(broken, Err(BootstrapError::NotFinite(_))));
    }
}
