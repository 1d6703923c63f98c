//! How sure a distance is: what it would be for other images of the same kind and number.

use serde::{Deserialize, Serialize};

/// How an interval is made by drawing images anew, with replacement (Efron 1979).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Resampling {
    /// Number of resamples; 200 by default.
    pub replicates: usize,
    /// Share of the resamples inside the interval; 0.95 by default.
    pub confidence: f64,
    /// Seed of the draws; 0 by default.
    pub seed: u64,
    /// Whether the images of the reference are drawn anew as well, as by default; without, intervals say how sure a
    /// comparison of two models on this one reference is.
    pub resample_reference: bool,
}

impl Default for Resampling {
    fn default() -> Self {
        Self {
            replicates: 200,
            confidence: 0.95,
            seed: 0,
            resample_reference: true,
        }
    }
}

/// Settings of which no interval can be made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ResamplingError {
    /// One resample varies by nothing.
    #[error("`replicates` is {0}, expected at least 2")]
    Replicates(usize),
    /// The confidence is no share.
    #[error("`confidence` is {0}, expected a number between 0 and 1")]
    Confidence(f64),
}

/// A distance with its interval.
///
/// Distances of sets are too large by an amount that grows as sets shrink, and drawing anew makes a set smaller still:
/// resampled distances lie above the distance. The interval is therefore that of their deviations from their own mean,
/// put around the distance: where it would lie for other sets of the same sizes, its bias included.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SetEstimate {
    /// The distance of the sets themselves.
    pub value: f64,
    /// Standard deviation of the resampled distances.
    pub standard_error: f64,
    /// Lower end of the interval, not below 0.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
    /// Mean of the resampled distances; how far it lies above the distance hints at how far that one is too large.
    pub resampled_mean: f64,
}

impl Resampling {
    /// Checks that there are resamples and that the confidence lies between 0 and 1.
    ///
    /// # Errors
    /// When either does not hold.
    pub fn check(&self) -> Result<(), ResamplingError> {
        if self.replicates < 2 {
            return Err(ResamplingError::Replicates(self.replicates));
        }
        if !(self.confidence > 0.0 && self.confidence < 1.0) {
            return Err(ResamplingError::Confidence(self.confidence));
        }
        Ok(())
    }

    /// How often each image of a set is drawn.
    pub(super) fn of_images(&self, replicate: usize, count: usize) -> Vec<u32> {
        draws(self.seed, 2 * replicate as u64, count)
    }

    /// How often each image of the reference is drawn, if it is drawn from at all.
    pub(super) fn of_reference(&self, replicate: usize, count: usize) -> Option<Vec<u32>> {
        self.resample_reference
            .then(|| draws(self.seed, 2 * replicate as u64 + 1, count))
    }

    /// Puts what resamples deviate by around the distance.
    pub(super) fn estimate(&self, value: f64, mut replicates: Vec<f64>) -> SetEstimate {
        let count = replicates.len() as f64;
        let mean = replicates.iter().sum::<f64>() / count;
        let squares: f64 = replicates.iter().map(|found| (found - mean).powi(2)).sum();
        replicates.sort_by(f64::total_cmp);
        let beyond = (1.0 - self.confidence) / 2.0;
        SetEstimate {
            value,
            standard_error: (squares / (count - 1.0)).sqrt(),
            low: (value + quantile(&replicates, beyond) - mean).max(0.0),
            high: value + quantile(&replicates, 1.0 - beyond) - mean,
            resampled_mean: mean,
        }
    }
}

/// Draws as many images as there are, each a pure function of seed, stream and place.
fn draws(seed: u64, stream: u64, count: usize) -> Vec<u32> {
    let mut drawn = vec![0; count];
    let base = split_mix(split_mix(seed) ^ stream);
    for place in 0..count as u64 {
        let word = split_mix(base.wrapping_add(place.wrapping_mul(GOLDEN)));
        // The high half of the product; no image is likelier than another by more than count / 2^64.
        let image = (u128::from(word) * count as u128) >> 64;
        drawn[image as usize] += 1;
    }
    drawn
}

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// SplitMix64 (Steele, Lea and Flood 2014).
fn split_mix(state: u64) -> u64 {
    let z = state.wrapping_add(GOLDEN);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Between the two nearest of sorted values, as numpy's default is.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (place - below as f64) * (sorted[above] - sorted[below])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stream_draws_as_many_images_as_there_are() {
        let first = draws(0, 0, 1000);
        assert_eq!(first.iter().sum::<u32>(), 1000);
        assert_eq!(first, draws(0, 0, 1000));
        assert_ne!(first, draws(0, 1, 1000));
        assert_ne!(first, draws(1, 0, 1000));
        // A share of 1 / e is never drawn.
        let never = first.iter().filter(|times| **times == 0).count();
        assert!((330..410).contains(&never), "{never}");
        assert!(draws(0, 0, 0).is_empty());
    }

    #[test]
    fn the_interval_lies_around_the_distance_whatever_the_bias() {
        let settings = Resampling {
            confidence: 0.5,
            ..Resampling::default()
        };
        let estimate = settings.estimate(10.0, vec![14.0, 13.0, 12.0, 15.0, 11.0]);
        assert_eq!(
            (estimate.low, estimate.high, estimate.resampled_mean),
            (9.0, 11.0, 13.0)
        );
        assert!((estimate.standard_error - 2.5_f64.sqrt()).abs() < 1e-15);
        assert_eq!(quantile(&[1.0, 2.0, 4.0], 0.75), 3.0);
    }

    #[test]
    fn settings_that_make_no_interval_are_refused() {
        assert!(Resampling::default().check().is_ok());
        let replicates = Resampling {
            replicates: 1,
            ..Resampling::default()
        };
        assert_eq!(replicates.check(), Err(ResamplingError::Replicates(1)));
        for confidence in [0.0, 1.0, f64::NAN] {
            let settings = Resampling {
                confidence,
                ..Resampling::default()
            };
            assert!(settings.check().is_err());
        }
    }
}
