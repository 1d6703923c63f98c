//! Timestep spacing: which training timesteps a shorter sampling run visits.
//!
//! The three rules and their rounding are those of diffusers (Lin et al. 2023, table 2).

use serde::{Deserialize, Serialize};

use crate::schedule::ScheduleError;

/// The rule that picks timesteps, under diffusers' names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimestepSpacing {
    /// Multiples of `length / steps`, shifted by `steps_offset`; the default.
    #[default]
    Leading,
    /// Counted down from the last timestep.
    Trailing,
    /// Evenly spaced with both ends included.
    Linspace,
}

impl TimestepSpacing {
    /// Returns `steps` descending timesteps of a schedule of `length`.
    ///
    /// `offset` is diffusers' `steps_offset` and is used by `leading` alone. Where rounding makes
    /// diffusers append timestep -1 to a `trailing` list (61 steps of 1000, say), this does not.
    ///
    /// # Errors
    /// Fails when `steps` is 0 or more than `length`, or when the offset leads past the last
    /// timestep, where diffusers would fail with an index error in the middle of sampling.
    pub fn timesteps(self, length: usize, steps: usize, offset: usize) -> Result<Vec<usize>, ScheduleError> {
        if steps == 0 || steps > length {
            return Err(ScheduleError::Steps { steps, length });
        }
        let timesteps: Vec<usize> = match self {
            Self::Leading => {
                let stride = length / steps;
                (0..steps)
                    .rev()
                    .map(|i| (i * stride).saturating_add(offset))
                    .collect()
            }
            Self::Trailing => {
                let stride = trailing_stride(length, length, steps);
                (0..steps)
                    .map(|i| (length as f64 - i as f64 * stride).round_ties_even() as usize - 1)
                    .collect()
            }
            Self::Linspace => {
                let stride = (length - 1) as f64 / (steps.max(2) - 1) as f64;
                (0..steps)
                    .rev()
                    .map(|i| (i as f64 * stride).round_ties_even() as usize)
                    .collect()
            }
        };
        match timesteps.first() {
            Some(&timestep) if timestep >= length => Err(ScheduleError::Timestep { timestep, length }),
            _ => Ok(timesteps),
        }
    }

    /// Returns `steps` descending timesteps where those of `linspace` need not be whole and an
    /// offset may lead past the end.
    ///
    /// # Errors
    /// Fails when `steps` is 0 or more than `length`.
    pub fn fractional(self, length: usize, steps: usize, offset: usize) -> Result<Vec<f64>, ScheduleError> {
        let last = (length.max(1) - 1) as f64;
        let (whole, shift) = match self {
            Self::Leading => (self.timesteps(length, steps, 0)?, offset),
            Self::Trailing => (self.timesteps(length, steps, 0)?, 0),
            Self::Linspace if steps == 0 || steps > length => {
                return Err(ScheduleError::Steps { steps, length });
            }
            Self::Linspace => {
                let intervals = (steps.max(2) - 1) as f64;
                let spaced = (0..steps).rev().map(|i| match i {
                    0 => 0.0,
                    i if i + 1 == steps => last,
                    i => i as f64 * (last / intervals),
                });
                return Ok(spaced.collect());
            }
        };
        Ok(whole
            .into_iter()
            .map(|timestep| timestep.saturating_add(shift) as f64)
            .collect())
    }
}

/// Returns the stride of `trailing` timesteps from `first` down, rounded as numpy's `arange` rounds
/// it: it decides ties.
pub(super) fn trailing_stride(first: usize, length: usize, steps: usize) -> f64 {
    first as f64 - (first as f64 - length as f64 / steps as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reference_run_visits_991_to_1_and_keeps_95_above_50() {
        let timesteps = TimestepSpacing::Leading.timesteps(1000, 100, 1).unwrap();
        assert_eq!(timesteps[..3], [991, 981, 971]);
        assert_eq!(timesteps[99], 1);
        assert_eq!(timesteps.iter().filter(|&&t| t > 50).count(), 95);
        assert_eq!(timesteps[94], 51);
    }

    #[test]
    fn an_offset_past_the_end_is_refused() {
        let refused = TimestepSpacing::Leading.timesteps(1000, 1000, 1);
        let expected = ScheduleError::Timestep {
            timestep: 1000,
            length: 1000,
        };
        assert_eq!(refused, Err(expected));
    }

    #[test]
    fn step_counts_outside_the_schedule_are_refused() {
        for steps in [0, 1001] {
            assert!(TimestepSpacing::Trailing.timesteps(1000, steps, 0).is_err());
        }
    }

    proptest! {
        #[test]
        fn timesteps_fall_strictly_inside_the_schedule(
            spacing in prop::sample::select(vec![
                TimestepSpacing::Leading, TimestepSpacing::Trailing, TimestepSpacing::Linspace,
            ]),
            length in 1usize..1100, share in 0.0_f64..1.0,
        ) {
            let steps = 1 + (share * (length - 1) as f64) as usize;
            let timesteps = spacing.timesteps(length, steps, 0).unwrap();
            prop_assert_eq!(timesteps.len(), steps);
            prop_assert!(timesteps.windows(2).all(|w| w[1] < w[0]));
            prop_assert!(timesteps[0] < length);
            match spacing {
                TimestepSpacing::Leading => prop_assert_eq!(timesteps[steps - 1], 0),
                TimestepSpacing::Trailing => prop_assert_eq!(timesteps[0], length - 1),
                TimestepSpacing::Linspace => prop_assert_eq!(timesteps[steps - 1], 0),
            }
        }
    }
}
