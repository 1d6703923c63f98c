//! Means over clusters of observations, with percentile bootstrap intervals.
//!
//! Images of one prompt share the prompt and are not independent, so whole prompts are resampled, never images.

use std::collections::BTreeMap;

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::draws::Draws;

/// How a bootstrap interval is made.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BootstrapSettings {
    /// Number of resamples; 10,000 by default.
    pub replicates: u32,
    /// Share of the resamples inside the interval; 0.95 by default.
    pub confidence: f64,
    /// Seed of the resamples; 0 by default.
    pub seed: u64,
}

impl Default for BootstrapSettings {
    fn default() -> Self {
        Self {
            replicates: 10_000,
            confidence: 0.95,
            seed: 0,
        }
    }
}

/// The observations of one cluster, such as the images of one prompt, as far as a mean needs them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cluster {
    /// Sum of the observations.
    pub sum: f64,
    /// Number of observations.
    pub count: u64,
}

/// A mean with its interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The mean over all observations.
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
    /// Clusters with at least one observation.
    pub clusters: u64,
    /// Observations in all clusters.
    pub observations: u64,
}

impl Cluster {
    /// Gathers observations into one cluster.
    pub fn of(observations: impl IntoIterator<Item = f64>) -> Self {
        let mut cluster = Self::default();
        for observation in observations {
            cluster.add(observation);
        }
        cluster
    }

    /// Adds one observation.
    pub fn add(&mut self, observation: f64) {
        self.sum += observation;
        self.count += 1;
    }
}

impl BootstrapSettings {
    /// Checks that there are resamples and that the confidence lies between 0 and 1.
    ///
    /// # Errors
    /// When either does not hold.
    pub fn check(&self) -> Result<(), BootstrapError> {
        if self.replicates == 0 {
            return Err(BootstrapError::NoReplicates);
        }
        if !(self.confidence > 0.0 && self.confidence < 1.0) {
            return Err(BootstrapError::Confidence(self.confidence));
        }
        Ok(())
    }

    /// Gathers observations by their clusters, such as prompt ids, and returns [the mean](Self::mean) of all.
    ///
    /// # Errors
    /// As [`Self::mean`].
    pub fn clustered_mean<'a>(
        &self,
        observations: impl IntoIterator<Item = (&'a str, f64)>,
    ) -> Result<Option<Estimate>, BootstrapError> {
        let mut clusters: BTreeMap<&str, Cluster> = BTreeMap::new();
        for (cluster, observation) in observations {
            clusters.entry(cluster).or_default().add(observation);
        }
        self.mean(&clusters.into_values().collect::<Vec<Cluster>>())
    }

    /// Returns the mean over all observations with its percentile interval; none when there is no observation.
    ///
    /// The value is (sum of sums) / (sum of counts), so clusters weigh by their size, in the mean and in each
    /// resample. Clusters without observations are left out first. Quantiles interpolate linearly between order
    /// statistics. Replicate r draws from its own stream, so that the result does not depend on the number of
    /// threads. With one cluster, or with equal observations throughout, the interval has no width: a resample
    /// cannot show what the sample does not.
    ///
    /// # Errors
    /// When the settings are refused, when a sum is not finite, or with more than 2^32 clusters.
    pub fn mean(&self, clusters: &[Cluster]) -> Result<Option<Estimate>, BootstrapError> {
        self.check()?;
        let occupied: Vec<(f64, f64)> = clusters
            .iter()
            .filter(|cluster| cluster.count > 0)
            .map(|cluster| (cluster.sum, cluster.count as f64))
            .collect();
        if let Some((sum, _)) = occupied.iter().find(|(sum, _)| !sum.is_finite()) {
            return Err(BootstrapError::NotFinite(*sum));
        }
        let size = u32::try_from(occupied.len()).map_err(|_| BootstrapError::TooMany(occupied.len()))?;
        if size == 0 {
            return Ok(None);
        }
        let total = occupied
            .iter()
            .fold((0.0, 0.0), |total, cluster| plus(total, *cluster));
        let mut replicates: Vec<f64> = (0..u64::from(self.replicates))
            .into_par_iter()
            .map(|replicate| {
                let mut draws = Draws::new("bootstrap", self.seed, replicate);
                let resampled = (0..size).fold((0.0, 0.0), |total, _| {
                    plus(total, occupied[draws.below(size) as usize])
                });
                resampled.0 / resampled.1
            })
            .collect();
        replicates.sort_unstable_by(f64::total_cmp);
        let outside = (1.0 - self.confidence) / 2.0;
        Ok(Some(Estimate {
            value: total.0 / total.1,
            low: quantile(&replicates, outside),
            high: quantile(&replicates, 1.0 - outside),
            clusters: u64::from(size),
            observations: clusters.iter().map(|cluster| cluster.count).sum(),
        }))
    }
}

/// Why a bootstrap was refused.
#[derive(Debug, Clone, PartialEq, Error)]
#[expect(missing_docs, reason = "the messages say all")]
pub enum BootstrapError {
    #[error("Bootstrap has `0` replicates, expected at least 1")]
    NoReplicates,
    #[error("Bootstrap confidence is `{0}`, expected a number between 0 and 1")]
    Confidence(f64),
    #[error("Sum of a cluster is `{0}`, expected finite observations")]
    NotFinite(f64),
    #[error("Bootstrap of rows of `{0}` and of `{1}` clusters, expected rows of one length")]
    Ragged(usize, usize),
    #[error("Bootstrap of `{0}` clusters, expected fewer than 2^32")]
    TooMany(usize),
}

fn plus(one: (f64, f64), other: (f64, f64)) -> (f64, f64) {
    (one.0 + other.0, one.1 + other.1)
}

/// Returns the quantile of sorted values, which must not be empty, by linear interpolation.
pub fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (sorted[above] - sorted[below]) * (place - below as f64)
}

#[cfg(test)]
mod tests {
    use super::{BootstrapError, BootstrapSettings, Cluster, Estimate, quantile};
    use crate::draws::Draws;

    fn estimated(settings: BootstrapSettings, clusters: &[Cluster]) -> Estimate {
        settings.mean(clusters).expect("valid").expect("observed")
    }

    #[test]
    fn quantiles_interpolate_linearly() {
        let values = [1.0, 2.0, 4.0, 8.0];
        assert_eq!(quantile(&values, 0.0), 1.0);
        assert_eq!(quantile(&values, 0.5), 3.0);
        assert_eq!(quantile(&values, 0.9), 4.0 + 4.0 * 0.7000000000000002);
        assert_eq!(quantile(&values, 1.0), 8.0);
        assert_eq!(quantile(&[5.0], 0.3), 5.0);
    }

    #[test]
    fn value_and_sizes_are_exact() {
        let clusters = [
            Cluster::of([1.0, 0.0, 1.0]),
            Cluster::of([]),
            Cluster::of([0.0]),
            Cluster::of([1.0, 1.0]),
        ];
        let estimate = estimated(BootstrapSettings::default(), &clusters);
        assert_eq!(estimate.value, 4.0 / 6.0);
        assert_eq!((estimate.clusters, estimate.observations), (3, 6));
        assert!(estimate.low <= estimate.value && estimate.value <= estimate.high);
    }

    #[test]
    fn two_clusters_have_the_resampling_distribution_of_a_coin() {
        // The means are 0, 1/2 and 1 with probabilities 1/4, 1/2, 1/4.
        let clusters = [Cluster::of([0.0]), Cluster::of([1.0])];
        let ends = |confidence| {
            let settings = BootstrapSettings {
                confidence,
                ..BootstrapSettings::default()
            };
            let estimate = estimated(settings, &clusters);
            (estimate.low, estimate.high)
        };
        assert_eq!(ends(0.40), (0.5, 0.5));
        assert_eq!(ends(0.60), (0.0, 1.0));
    }

    #[test]
    fn intervals_cover_the_truth_as_often_as_they_say() {
        let (prompts, images, truth, rounds) = (80, 5, 0.6, 400);
        let mut covered = 0;
        for round in 0..rounds {
            let mut draws = Draws::new("coverage test", 1, round);
            let clusters: Vec<Cluster> = (0..prompts)
                .map(|_| {
                    // Prompts differ in difficulty, so that images of one prompt go together.
                    let own = truth + f64::from(draws.between(-0.3, 0.3));
                    Cluster::of((0..images).map(|_| f64::from(u8::from(draws.chance(own)))))
                })
                .collect();
            let settings = BootstrapSettings {
                replicates: 600,
                seed: round,
                ..BootstrapSettings::default()
            };
            let estimate = estimated(settings, &clusters);
            covered += u32::from(estimate.low <= truth && truth <= estimate.high);
        }
        // A binomial of 400 at 0.94 (percentile intervals run a little short) within 3.5 deviations.
        assert!((359..=392).contains(&covered), "{covered} of {rounds}");
    }

    #[test]
    fn width_follows_the_standard_error_of_cluster_means() {
        let mut draws = Draws::new("width test", 0, 0);
        let clusters: Vec<Cluster> = (0..400)
            .map(|_| Cluster::of([draws.unit(), draws.unit()]))
            .collect();
        let means: Vec<f64> = clusters.iter().map(|cluster| cluster.sum / 2.0).collect();
        let mean = means.iter().sum::<f64>() / 400.0;
        let variance = means.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / 400.0;
        let expected = 2.0 * 1.959964 * (variance / 400.0).sqrt();
        let estimate = estimated(BootstrapSettings::default(), &clusters);
        let width = estimate.high - estimate.low;
        assert!(
            (width / expected - 1.0).abs() < 0.04,
            "{width} against {expected}"
        );
    }

    #[test]
    fn a_seed_fixes_the_interval_whatever_the_number_of_threads() {
        let clusters: Vec<Cluster> = (0..50).map(|n| Cluster::of([f64::from(n % 7)])).collect();
        let settings = BootstrapSettings {
            replicates: 500,
            ..BootstrapSettings::default()
        };
        let alone = rayon::ThreadPoolBuilder::new()
            .num_threads(1)
            .build()
            .expect("pool");
        assert_eq!(
            alone.install(|| settings.mean(&clusters)),
            settings.mean(&clusters)
        );
        let other = BootstrapSettings { seed: 1, ..settings };
        assert_ne!(other.mean(&clusters), settings.mean(&clusters));
    }

    #[test]
    fn nothing_observed_is_no_estimate_and_bad_input_is_refused() {
        let settings = BootstrapSettings::default();
        assert_eq!(settings.mean(&[]), Ok(None));
        assert_eq!(settings.mean(&[Cluster::default()]), Ok(None));
        let none = BootstrapSettings {
            replicates: 0,
            ..settings
        };
        assert_eq!(none.mean(&[]), Err(BootstrapError::NoReplicates));
        for confidence in [0.0, 1.0, f64::NAN] {
            let wrong = BootstrapSettings {
                confidence,
                ..settings
            };
            assert!(matches!(wrong.mean(&[]), Err(BootstrapError::Confidence(_))));
        }
        let infinite = [Cluster::of([f64::INFINITY])];
        assert_eq!(
            settings.mean(&infinite),
            Err(BootstrapError::NotFinite(f64::INFINITY))
        );
    }
}
