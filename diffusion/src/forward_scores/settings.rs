//! Where on the noise schedule latents are scored.

use serde::{Deserialize, Serialize};

use super::ForwardScoreError;
use crate::mutual_information::MiMode;

/// Which timesteps and noises a score looks at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ForwardScoreSettings {
    /// The smallest timestep. By default, 400.
    pub first_timestep: usize,
    /// The largest timestep. By default, 800.
    pub last_timestep: usize,
    /// How many timesteps, evenly spread. By default, 8.
    pub timesteps: usize,
    /// How many noises at each timestep. By default, 2.
    pub noises: usize,
    /// The seed of the noises. By default, 42.
    pub seed: u64,
    /// Whose weight of a squared difference. By default, the paper's.
    pub mi_mode: MiMode,
}

impl Default for ForwardScoreSettings {
    fn default() -> Self {
        Self {
            first_timestep: 400,
            last_timestep: 800,
            timesteps: 8,
            noises: 2,
            seed: 42,
            mi_mode: MiMode::Paper,
        }
    }
}

impl ForwardScoreSettings {
    /// Returns the timesteps, ascending; a single one lies in the middle.
    ///
    /// # Errors
    /// Fails when there are more of them than whole numbers in the range, or none.
    pub fn spread(&self) -> Result<Vec<usize>, ForwardScoreError> {
        let (count, first, last) = (self.timesteps, self.first_timestep, self.last_timestep);
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
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(
        first_timestep: usize,
        last_timestep: usize,
        timesteps: usize,
    ) -> Result<Vec<usize>, ForwardScoreError> {
        let base = ForwardScoreSettings::default();
        ForwardScoreSettings {
            first_timestep,
            last_timestep,
            timesteps,
            ..base
        }
        .spread()
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
