//! Implicit sampling (Song et al. 2021, equations 12 and 16).

use super::config::SchedulerConfig;
use super::reverse_step::{ReverseStep, StepError};
use crate::schedule::NoiseSchedule;

/// Builds the steps of a descending list of timesteps; `eta` 0 is deterministic, 1 as noisy as
/// DDPM.
///
/// As in diffusers' `DDIMScheduler`, a step goes down by `length / steps` timesteps whatever the
/// spacing, and past the first timestep to `set_alpha_to_one`'s choice of end.
///
/// # Errors
/// Fails when a timestep is outside the schedule or the prediction type is singular there.
pub fn reverse_steps(
    schedule: &NoiseSchedule,
    config: &SchedulerConfig,
    timesteps: &[usize],
    eta: f64,
) -> Result<Vec<ReverseStep>, StepError> {
    let stride = schedule.len() / timesteps.len().max(1);
    timesteps
        .iter()
        .map(|&timestep| reverse_step(schedule, config, timestep, stride, eta))
        .collect()
}

/// Builds the step from one timestep to that `stride` below it, as [`reverse_steps`] does.
///
/// # Errors
/// As for [`reverse_steps`].
pub fn reverse_step(
    schedule: &NoiseSchedule,
    config: &SchedulerConfig,
    timestep: usize,
    stride: usize,
    eta: f64,
) -> Result<ReverseStep, StepError> {
    let now = schedule.alpha_cumprod(timestep)?;
    let previous = match (timestep.checked_sub(stride), config.set_alpha_to_one) {
        (Some(previous), _) => schedule.alpha_cumprod(previous)?,
        (None, Some(false)) => schedule.alpha_cumprod(0)?,
        (None, Some(true) | None) => 1.0,
    };
    step(config, timestep, now, previous, eta).checked()
}

fn step(config: &SchedulerConfig, timestep: usize, now: f64, previous: f64, eta: f64) -> ReverseStep {
    let variance = (1.0 - previous) / (1.0 - now) * (1.0 - now / previous);
    // Rounding and the step from timestep 0 onto itself can leave either a hair below 0.
    let noise = eta * variance.max(0.0).sqrt();
    let direction = (1.0 - previous - noise * noise).max(0.0).sqrt();
    let epsilon = config.prediction_type.epsilon(now);
    ReverseStep {
        prediction: config.prediction_type.original(now),
        limit: config.limit(),
        original: previous.sqrt(),
        sample: direction * epsilon.sample,
        output: direction * epsilon.output,
        noise,
        draws: eta > 0.0,
        ..ReverseStep::at(timestep as f64, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact_noise(z: f64, alpha_cumprod: f64, mean: f64, deviation: f64) -> f64 {
        let variance = alpha_cumprod * deviation * deviation + 1.0 - alpha_cumprod;
        (1.0 - alpha_cumprod).sqrt() * (z - alpha_cumprod.sqrt() * mean) / variance
    }

    fn land(steps: usize, start: f64, mean: f64, deviation: f64) -> (f64, f64) {
        let config = SchedulerConfig {
            timestep_spacing: Some(super::super::TimestepSpacing::Trailing),
            ..SchedulerConfig::stable_diffusion()
        };
        let schedule = config.schedule().unwrap();
        let timesteps = config.timesteps(steps).unwrap();
        let first = schedule.alpha_cumprod(timesteps[0]).unwrap();
        let mut z = start;
        for step in reverse_steps(&schedule, &config, &timesteps, 0.0).unwrap() {
            let now = step.alpha_cumprod;
            z = step.apply_scalar(z, exact_noise(z, now, mean, deviation), 0.0);
        }
        let last = schedule.alpha_cumprod(0).unwrap();
        let spread = |a: f64| (a * deviation * deviation + 1.0 - a).sqrt();
        let standardised = (start - first.sqrt() * mean) / spread(first);
        (z, last.sqrt() * mean + spread(last) * standardised)
    }

    /// A run ends at the noise level of timestep 0 here. The probability flow of Gaussian data is the affine map between the two Gaussians; DDIM is
    /// its first-order discretisation, so the distance nearly halves when the steps double.
    #[test]
    fn gaussian_data_lands_on_the_closed_form_map() {
        for (start, mean, deviation) in [(1.3, 0.4, 0.6), (-2.0, -0.3, 1.4), (0.2, 1.0, 0.3)] {
            let distance = |steps| {
                let (found, flow) = land(steps, start, mean, deviation);
                (found - flow).abs()
            };
            let (coarse, fine) = (distance(500), distance(1000));
            assert!(fine < 4e-3, "{fine}");
            assert!((1.75..2.1).contains(&(coarse / fine)), "{coarse} {fine}");
        }
    }

    #[test]
    fn full_eta_draws_as_much_noise_as_ancestral_sampling() {
        let config = SchedulerConfig::stable_diffusion();
        let schedule = config.schedule().unwrap();
        let timesteps = config.timesteps(50).unwrap();
        let implicit = reverse_steps(&schedule, &config, &timesteps, 1.0).unwrap();
        let ancestral = super::super::ddpm::reverse_steps(&schedule, &config, &timesteps).unwrap();
        for (a, b) in implicit.iter().zip(&ancestral).take(49) {
            assert!((a.noise - b.noise).abs() < 1e-12);
            for (z, out) in [(0.3, -1.1), (2.0, 0.4)] {
                let difference = a.apply_scalar(z, out, 0.5) - b.apply_scalar(z, out, 0.5);
                assert!(difference.abs() < 1e-12);
            }
        }
    }
}
