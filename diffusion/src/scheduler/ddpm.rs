//! Ancestral sampling of the denoising diffusion model (Ho et al. 2020, equation 7).

use super::config::{SchedulerConfig, VarianceType};
use super::reverse_step::{ReverseStep, StepError};
use crate::schedule::NoiseSchedule;

/// Below this variance the noise that a step draws is not added.
///
/// The last step has variance 0, which diffusers clamps to 1e-20: noise far below the resolution
/// of an `f32` latent.
const SMALLEST_VARIANCE: f64 = 1e-20;

/// Builds the steps of a descending list of timesteps.
///
/// Each step goes to the next entry of the list, the last one to clean data, as in diffusers'
/// `DDPMScheduler`.
///
/// # Errors
/// Fails when a timestep is outside the schedule or the prediction type is singular there.
pub fn reverse_steps(
    schedule: &NoiseSchedule,
    config: &SchedulerConfig,
    timesteps: &[usize],
) -> Result<Vec<ReverseStep>, StepError> {
    timesteps
        .iter()
        .enumerate()
        .map(|(i, &timestep)| {
            let now = schedule.alpha_cumprod(timestep)?;
            let previous = match timesteps.get(i + 1) {
                Some(&next) => schedule.alpha_cumprod(next)?,
                None => 1.0,
            };
            step(config, timestep, now, previous).checked()
        })
        .collect()
}

fn step(config: &SchedulerConfig, timestep: usize, now: f64, previous: f64) -> ReverseStep {
    let alpha = now / previous;
    let beta = 1.0 - alpha;
    let variance = match config.variance_type {
        VarianceType::FixedSmall | VarianceType::FixedSmallLog => (1.0 - previous) / (1.0 - now) * beta,
        VarianceType::FixedLarge => beta,
    };
    let noisy = timestep > 0 && variance > SMALLEST_VARIANCE;
    ReverseStep {
        prediction: config.prediction_type.original(now),
        limit: config.limit(),
        original: previous.sqrt() * beta / (1.0 - now),
        sample: alpha.sqrt() * (1.0 - previous) / (1.0 - now),
        noise: if noisy { variance.sqrt() } else { 0.0 },
        draws: timestep > 0,
        ..ReverseStep::at(timestep as f64, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// For data that is Gaussian, ancestral steps with the exact posterior keep the marginals, so
    /// variance must follow the schedule from step to step.
    #[test]
    fn point_data_is_reached_exactly() {
        let config = SchedulerConfig::stable_diffusion();
        let schedule = config.schedule().unwrap();
        let timesteps = config.timesteps(40).unwrap();
        let steps = reverse_steps(&schedule, &config, &timesteps).unwrap();
        let point = 0.7;
        let mut mean = 0.0;
        let mut variance = 1.0;
        for (i, step) in steps.iter().enumerate() {
            let now = step.alpha_cumprod;
            let exact = |z: f64| (z - now.sqrt() * point) / (1.0 - now).sqrt();
            let at_zero = step.apply_scalar(0.0, exact(0.0), 0.0);
            let slope = step.apply_scalar(1.0, exact(1.0), 0.0) - at_zero;
            (mean, variance) = (
                at_zero + slope * mean,
                slope.powi(2) * variance + step.noise.powi(2),
            );
            if i == 30 {
                let previous = schedule.alpha_cumprod(timesteps[31]).unwrap();
                assert!((mean / (previous.sqrt() * point) - 1.0).abs() < 1e-2);
                assert!((variance / (1.0 - previous) - 1.0).abs() < 1e-3);
            }
        }
        assert!((mean - point).abs() < 1e-12);
        assert!(variance < 1e-12);
    }

    #[test]
    fn large_variance_is_beta_and_the_last_small_one_draws_nothing() {
        let mut config = SchedulerConfig::stable_diffusion();
        let schedule = config.schedule().unwrap();
        let timesteps = config.timesteps(10).unwrap();
        let small = reverse_steps(&schedule, &config, &timesteps).unwrap();
        assert_eq!(small[9].noise, 0.0);
        config.variance_type = VarianceType::FixedLarge;
        let large = reverse_steps(&schedule, &config, &timesteps).unwrap();
        let (now, previous) = (
            schedule.alpha_cumprod(timesteps[0]).unwrap(),
            schedule.alpha_cumprod(timesteps[1]).unwrap(),
        );
        assert!((large[0].noise.powi(2) - (1.0 - now / previous)).abs() < 1e-15);
        assert!(large[9].noise > 0.0);
    }
}
