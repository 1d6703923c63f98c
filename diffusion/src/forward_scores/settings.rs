//! Where on the noise schedule latents are scored.

use serde::{Deserialize, Serialize};

use super::ForwardScoreError;
use crate::mutual_information::EstimatorParts;

/// Which timesteps and noises a score looks at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ForwardScoreSettings {
    /// The timesteps. By default, those of a generation of 50 steps.
    pub timesteps: ForwardTimesteps,
    /// How many noises at each timestep. By default, 1.
    pub noises: usize,
    /// The seed of the noises. By default, 42.
    pub seed: u64,
    /// Weight, range and reduction of the scores in nats. By default, the paper's.
    pub estimator: EstimatorParts,
}

/// The timesteps at which latents are scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ForwardTimesteps {
    /// Those that ancestral sampling with so many steps visits, so that a score estimates the same
    /// number as generation does.
    Run(usize),
    /// Spread evenly over a range; scores in nats are then what this range contributes to the whole,
    /// each timestep standing for an equal share of it.
    Spread(TimestepSpread),
}

/// Timesteps spread evenly over a range, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimestepSpread {
    /// The smallest timestep.
    pub first: usize,
    /// The largest timestep.
    pub last: usize,
    /// How many timesteps.
    pub count: usize,
}

impl Default for ForwardScoreSettings {
    fn default() -> Self {
        Self {
            timesteps: ForwardTimesteps::Run(50),
            noises: 1,
            seed: 42,
            estimator: EstimatorParts::default(),
        }
    }
}

impl TimestepSpread {
    /// Returns the timesteps, ascending; a single one lies in the middle.
    ///
    /// # Errors
    /// Fails when there are more of them than whole numbers in the range, or none.
    pub fn timesteps(self) -> Result<Vec<usize>, ForwardScoreError> {
        let Self { first, last, count } = self;
        let refused = ForwardScoreError::Spread { count, first, last };
        let width = last.checked_sub(first).ok_or(refused.clone())?;
        match count {
            0 => Err(refused),
            1 => Ok(vec![first + width / 2]),
            _ if width < count - 1 => Err(refused),
            _ => Ok((0..count)
                .map(|i| first + (i * width + (count - 1) / 2) / (count - 1))
                .collect()),
        }
    }

    /// Returns the share of a schedule of `length` timesteps that the range covers.
    pub(super) fn share(self, length: usize) -> f64 {
        (self.last - self.first + 1) as f64 / length as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(first: usize, last: usize, count: usize) -> Result<Vec<usize>, ForwardScoreError> {
        TimestepSpread { first, last, count }.timesteps()
    }

    #[test]
    fn timesteps_are_spread_evenly_with_both_ends() {
        assert_eq!(spread(400, 800, 5).unwrap(), [400, 500, 600, 700, 800]);
        assert_eq!(spread(0, 10, 4).unwrap(), [0, 3, 7, 10]);
        assert_eq!(spread(3, 6, 4).unwrap(), [3, 4, 5, 6]);
        assert_eq!(spread(400, 800, 1).unwrap(), [600]);
        assert_eq!(spread(7, 7, 1).unwrap(), [7]);
    }

    #[test]
    fn spreads_that_would_repeat_are_refused() {
        for (first, last, count) in [(3, 6, 5), (6, 3, 2), (3, 6, 0), (7, 7, 2)] {
            let refused = ForwardScoreError::Spread { count, first, last };
            assert_eq!(spread(first, last, count), Err(refused));
        }
    }
}
