//! Which timesteps a run visits and the noise level of each.

use crate::schedule::BetaSchedule;
use crate::schedule::{NoiseSchedule, ScheduleError};
use crate::scheduler::StepError;
use crate::scheduler::config::{SchedulerConfig, SchedulerConfigError};
use crate::scheduler::sigmas::{SigmaTable, exponential, karras};
use crate::scheduler::solver_config::SigmaSpread;
use crate::scheduler::timesteps::{TimestepSpacing, trailing_stride};

/// The timesteps of a run and one noise level more, the one it ends at.
pub(super) struct Levels {
    pub(super) timesteps: Vec<f64>,
    pub(super) sigmas: Vec<f64>,
}

impl Levels {
    pub(super) fn new(
        schedule: &NoiseSchedule,
        config: &SchedulerConfig,
        steps: usize,
    ) -> Result<Self, StepError> {
        let length = config.num_train_timesteps;
        if steps == 0 || steps > length {
            return Err(ScheduleError::Steps { steps, length }.into());
        }
        let table = SigmaTable::new(schedule);
        let highest = config.sigmas.highest.unwrap_or(table.highest());
        let lowest = config.sigmas.lowest.unwrap_or(table.lowest());
        let found = |sigmas: &[f64], rounded: bool| -> Vec<f64> {
            // The network is told whole timesteps: diffusers rounds, and cuts off what is left.
            let round = |timestep: f64| {
                if rounded {
                    timestep.round_ties_even()
                } else {
                    timestep
                }
            };
            sigmas
                .iter()
                .map(|&sigma| round(table.timestep(sigma)).floor())
                .collect()
        };
        let cosine = config.beta_schedule == BetaSchedule::SquaredcosCapV2;
        let (timesteps, mut sigmas) = match config.sigmas.spread {
            SigmaSpread::Timesteps => {
                let visible = match config.solver.lambda_min_clipped {
                    Some(least) => table.count_of_lambda(least),
                    None => length,
                };
                let timesteps = spaced(config, visible, steps)?;
                let sigmas = timesteps.iter().map(|&timestep| table.at(timestep)).collect();
                (timesteps, sigmas)
            }
            SigmaSpread::Karras => {
                let sigmas = karras(highest, lowest, steps);
                (found(&sigmas, !cosine), sigmas)
            }
            SigmaSpread::Lu => {
                let sigmas = exponential(table.highest(), table.lowest(), steps);
                (found(&sigmas, !cosine), sigmas)
            }
            SigmaSpread::Exponential => {
                let sigmas = exponential(highest, lowest, steps);
                (found(&sigmas, false), sigmas)
            }
            SigmaSpread::Unsupported(key) => {
                return Err(SchedulerConfigError::unsupported(key, "true", "`false`").into());
            }
        };
        sigmas.push(match config.sigmas.end_at_lowest {
            true => table.lowest(),
            false => 0.0,
        });
        Ok(Self { timesteps, sigmas })
    }
}

/// Spaces timesteps over the first `visible` ones; unlike other schedulers' rules, `leading` and
/// `linspace` count one step more and leave out timestep 0.
fn spaced(config: &SchedulerConfig, visible: usize, steps: usize) -> Result<Vec<f64>, ScheduleError> {
    let length = config.num_train_timesteps;
    if visible == 0 {
        return Err(ScheduleError::Steps {
            steps,
            length: visible,
        });
    }
    Ok(
        match config.timestep_spacing.unwrap_or(TimestepSpacing::Linspace) {
            TimestepSpacing::Linspace => {
                let stride = (visible - 1) as f64 / steps as f64;
                let spaced = (1..=steps).rev();
                spaced.map(|i| (i as f64 * stride).round_ties_even()).collect()
            }
            TimestepSpacing::Leading => {
                let stride = visible / (steps + 1);
                let spaced = (1..=steps).rev();
                spaced
                    .map(|i| (i * stride).saturating_add(config.steps_offset) as f64)
                    .collect()
            }
            TimestepSpacing::Trailing => {
                let stride = trailing_stride(visible, length, steps);
                let spaced = (0..steps).map(|i| (visible as f64 - i as f64 * stride).round_ties_even() - 1.0);
                spaced.take_while(|&timestep| timestep >= 0.0).collect()
            }
        },
    )
}
