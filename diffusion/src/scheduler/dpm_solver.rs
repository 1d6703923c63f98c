//! DPM-Solver++ (Lu et al. 2022): a multistep method on the predicted original.
//!
//! With `lambda = -ln sigma`, the probability flow and its stochastic sister are solved exactly but
//! for the predicted original, which is taken as a polynomial in `lambda` through the last one to
//! three predictions.

mod coefficients;
mod levels;

use super::config::{SchedulerConfig, SchedulerConfigError};
use super::reverse_process::ReverseProcess;
use super::reverse_step::{Keeps, ReverseStep, StepError};
use super::sigmas::alpha_cumprod_of;
use crate::schedule::NoiseSchedule;

use coefficients::{Equation, coefficients};
use levels::Levels;

/// Below this length a run ends with steps of lower order.
const SHORT_RUN: usize = 15;

/// Works out the steps.
///
/// # Errors
/// Fails when the number of steps does not fit the schedule, when timesteps coincide, or when the
/// file asks for something that is not supported.
pub fn reverse_process(
    schedule: &NoiseSchedule,
    config: &SchedulerConfig,
    steps: usize,
) -> Result<ReverseProcess, StepError> {
    let equation = match config.solver.algorithm.as_str() {
        "dpmsolver++" => Equation::Ordinary,
        "sde-dpmsolver++" => Equation::Stochastic,
        other => {
            let supported = "`dpmsolver++`, `sde-dpmsolver++`";
            return Err(SchedulerConfigError::unsupported("algorithm_type", other, supported).into());
        }
    };
    if !(1..=3).contains(&config.solver.order) {
        let order = config.solver.order.to_string();
        return Err(SchedulerConfigError::unsupported("solver_order", &order, "1, 2, 3").into());
    }
    let Levels { timesteps, sigmas } = Levels::new(schedule, config, steps)?;
    let count = timesteps.len();
    let reverse = timesteps.iter().enumerate().map(|(index, &timestep)| {
        let order = order(config, index, count);
        let reached = &sigmas[index + 1 - order..index + 2];
        let numbers = coefficients(equation, config.solver.form, reached);
        let left = alpha_cumprod_of(sigmas[index]);
        ReverseStep {
            prediction: config.prediction_type.original(left),
            limit: config.threshold(),
            original: numbers.originals[0],
            sample: numbers.sample,
            history: numbers.originals[1..].to_vec(),
            noise: numbers.noise,
            draws: equation == Equation::Stochastic,
            keeps: Keeps::Original,
            ..ReverseStep::at(timestep, left)
        }
        .checked()
    });
    Ok(ReverseProcess::new(reverse.collect::<Result<_, _>>()?, 1.0))
}

/// Returns the timesteps of a run before anything else is worked out.
#[cfg(test)]
pub(super) fn timesteps(config: &SchedulerConfig, steps: usize) -> Result<Vec<usize>, StepError> {
    let levels = Levels::new(&config.schedule()?, config, steps)?;
    Ok(levels
        .timesteps
        .iter()
        .map(|&timestep| timestep as usize)
        .collect())
}

/// Returns how many predictions a step looks at: what there is, and less at the end of a run that
/// is short or ends without noise.
fn order(config: &SchedulerConfig, index: usize, count: usize) -> usize {
    let solver = &config.solver;
    let short = solver.lower_order_final && count < SHORT_RUN;
    let bound = match count - 1 - index {
        0 if solver.euler_at_final || short || !config.sigmas.end_at_lowest => 1,
        1 if short => 2,
        _ => 3,
    };
    solver.order.min(index + 1).min(bound)
}
