//! Point-wise mutual information between prompt and image from the denoiser's two answers.
//!
//! Equation 2 of MI-TUNE weighs the squared distance of conditional and unconditional noise
//! prediction with `kappa_t = beta_t T / (2 alpha_t (1 - alpha_cumprod_t))` and averages over
//! timesteps; the square is a sum over the elements of the latent. The paper's code leaves out
//! `alpha_t` and uses timesteps above 50 only. Everything here is `f64` on the host.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::prediction::PredictionType;
use crate::schedule::{NoiseSchedule, ScheduleError};

/// The first timestep the reference code lets in.
const REFERENCE_MIN_TIMESTEP: usize = 51;

/// An estimator that cannot be built.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum MutualInformationError {
    /// The timesteps do not fit the schedule.
    #[error("The timesteps do not fit the noise schedule")]
    Schedule(#[source] ScheduleError),
    /// Every timestep is below the smallest one that counts.
    #[error("No timestep of the run is at least `{min_timestep}`")]
    NoTimestep {
        /// The smallest timestep that counts.
        min_timestep: usize,
    },
    /// A weight that is not finite, as the paper's form has where no signal is left.
    #[error("The weight of timestep `{timestep}` is not finite")]
    Weight {
        /// The timestep of the weight.
        timestep: usize,
    },
}

impl From<ScheduleError> for MutualInformationError {
    fn from(error: ScheduleError) -> Self {
        Self::Schedule(error)
    }
}

/// Whose estimator: the paper's text and its code differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MiMode {
    /// Division by `alpha_t`, all timesteps; the default.
    #[default]
    Paper,
    /// No division by `alpha_t`, timesteps above 50.
    Reference,
}

impl MiMode {
    /// Returns the weight `kappa` of a squared difference of noise predictions at a timestep.
    ///
    /// # Errors
    /// Fails when the timestep is outside the schedule.
    pub fn kappa(self, schedule: &NoiseSchedule, timestep: usize) -> Result<f64, ScheduleError> {
        let alpha_cumprod = schedule.alpha_cumprod(timestep)?;
        let beta = schedule.betas()[timestep];
        let reference = beta * schedule.len() as f64 / (2.0 * (1.0 - alpha_cumprod));
        Ok(match self {
            Self::Paper => reference / (1.0 - beta),
            Self::Reference => reference,
        })
    }

    /// Returns the smallest timestep that counts unless the settings name one.
    pub fn min_timestep(self) -> usize {
        match self {
            Self::Paper => 0,
            Self::Reference => REFERENCE_MIN_TIMESTEP,
        }
    }
}

/// How squared differences along a run become one number.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimator {
    weights: Vec<f64>,
    counts: Vec<bool>,
}

impl Estimator {
    /// Prepares the weights of a run.
    ///
    /// Differences of other prediction types are brought to noise by the slope of noise in the
    /// output, `sqrt(alpha_cumprod)` for velocity, unless `raw_outputs` asks to feed them in as
    /// they are, which is what the reference code does.
    ///
    /// # Errors
    /// Fails when a timestep is outside the schedule, none counts, or a weight is not finite.
    pub fn new(
        schedule: &NoiseSchedule,
        prediction: PredictionType,
        mode: MiMode,
        min_timestep: Option<usize>,
        raw_outputs: bool,
        timesteps: &[usize],
    ) -> Result<Self, MutualInformationError> {
        let min_timestep = min_timestep.unwrap_or(mode.min_timestep());
        let counts: Vec<bool> = timesteps.iter().map(|&t| t >= min_timestep).collect();
        if !counts.contains(&true) {
            return Err(MutualInformationError::NoTimestep { min_timestep });
        }
        let weights = timesteps
            .iter()
            .map(|&timestep| {
                let slope = match raw_outputs {
                    true => 1.0,
                    false => prediction.epsilon(schedule.alpha_cumprod(timestep)?).output,
                };
                let weight = mode.kappa(schedule, timestep)? * slope * slope;
                match weight.is_finite() {
                    true => Ok(weight),
                    false => Err(MutualInformationError::Weight { timestep }),
                }
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { weights, counts })
    }

    /// Weighs the squared output differences of a run, one per timestep, counted or not.
    pub fn terms(&self, squares: &[f64]) -> Vec<f64> {
        self.weights.iter().zip(squares).map(|(w, s)| w * s).collect()
    }

    /// Averages the terms of the timesteps that count.
    pub fn mean(&self, terms: &[f64]) -> f64 {
        let counted = terms.iter().zip(&self.counts).filter(|&(_, &counts)| counts);
        let (sum, count) = counted.fold((0.0, 0_usize), |(s, n), (term, _)| (s + term, n + 1));
        sum / count as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheduler::SchedulerConfig;

    fn schedule() -> NoiseSchedule {
        SchedulerConfig::stable_diffusion().schedule().unwrap()
    }

    /// The expected squared difference for a prompt of correlation `rho` with one element.
    fn expected_square(alpha_cumprod: f64, rho: f64) -> f64 {
        let explained = alpha_cumprod * rho * rho;
        (1.0 - alpha_cumprod) * explained / (1.0 - explained)
    }

    fn toy(mode: MiMode, timesteps: &[usize], min: Option<usize>, rho: f64, copies: f64) -> f64 {
        let schedule = schedule();
        let kind = PredictionType::Epsilon;
        let estimator = Estimator::new(&schedule, kind, mode, min, false, timesteps).unwrap();
        let squares: Vec<f64> = timesteps
            .iter()
            .map(|&t| copies * expected_square(schedule.alphas_cumprod()[t], rho))
            .collect();
        estimator.mean(&estimator.terms(&squares))
    }

    #[test]
    fn gaussian_toy_gives_the_derived_values() {
        let all: Vec<usize> = (0..1000).rev().collect();
        let run = SchedulerConfig::stable_diffusion().timesteps(100).unwrap();
        for (rho, exact, code_all, paper_all, code_run, paper_run) in [
            (0.5, 0.143841, 0.142714, 0.143231, 0.142593, 0.143129),
            (0.9, 0.830366, 0.824959, 0.827365, 0.778564, 0.781010),
            (0.99, 1.958518, 1.939864, 1.944035, 1.445407, 1.449233),
        ] {
            let close = |found: f64, expected: f64| {
                assert!((found - expected).abs() < 6e-7, "{rho}: {found} {expected}");
            };
            close(-0.5 * (1.0_f64 - rho * rho).ln(), exact);
            close(toy(MiMode::Reference, &all, Some(0), rho, 1.0), code_all);
            close(toy(MiMode::Paper, &all, None, rho, 1.0), paper_all);
            close(toy(MiMode::Reference, &run, None, rho, 1.0), code_run);
            close(toy(MiMode::Paper, &run, Some(51), rho, 1.0), paper_run);
            for copies in [2.0, 16384.0] {
                let sum = toy(MiMode::Reference, &run, None, rho, copies);
                let single = toy(MiMode::Reference, &run, None, rho, 1.0);
                assert!((sum / (copies * single) - 1.0).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn weights_of_the_reference_code() {
        let schedule = schedule();
        for (timestep, expected) in [
            (51, 11.178663),
            (250, 3.721193),
            (500, 3.326773),
            (501, 3.328360),
            (750, 4.244185),
            (991, 5.960263),
            (0, 500.0),
        ] {
            let found = MiMode::Reference.kappa(&schedule, timestep).unwrap();
            assert!((found - expected).abs() < 6e-7, "{timestep}: {found}");
        }
        for (timestep, expected) in [(51, 11.191042), (991, 6.031797)] {
            let found = MiMode::Paper.kappa(&schedule, timestep).unwrap();
            assert!((found - expected).abs() < 6e-7, "{timestep}: {found}");
        }
    }

    #[test]
    fn velocity_and_noise_models_score_alike_and_raw_velocity_does_not() {
        let schedule = schedule();
        let timesteps = [991, 501, 51];
        let build =
            |kind, raw| Estimator::new(&schedule, kind, MiMode::Reference, None, raw, &timesteps).unwrap();
        let squares = [3.0, 5.0, 7.0];
        let of_velocity: Vec<f64> = timesteps
            .iter()
            .zip(squares)
            .map(|(&t, s)| s / schedule.alphas_cumprod()[t])
            .collect();
        let noise = build(PredictionType::Epsilon, false).terms(&squares);
        let velocity = build(PredictionType::VPrediction, false).terms(&of_velocity);
        let raw = build(PredictionType::VPrediction, true).terms(&of_velocity);
        for i in 0..3 {
            assert!((noise[i] / velocity[i] - 1.0).abs() < 1e-12);
        }
        assert!((raw[0] / noise[0] - 194.93).abs() < 0.01, "{}", raw[0] / noise[0]);
        assert!((raw[1] / noise[1] - 3.6364).abs() < 0.001);
    }

    #[test]
    fn a_run_without_counted_timesteps_or_finite_weights_is_refused() {
        let schedule = schedule();
        let build = |schedule: &NoiseSchedule, mode, timesteps: &[usize]| {
            Estimator::new(
                schedule,
                PredictionType::VPrediction,
                mode,
                None,
                false,
                timesteps,
            )
        };
        let refused = build(&schedule, MiMode::Reference, &[50, 1]).unwrap_err();
        assert_eq!(refused, MutualInformationError::NoTimestep { min_timestep: 51 });
        assert!(build(&schedule, MiMode::Paper, &[50, 1]).is_ok());
        let dark = schedule.with_zero_terminal_signal().unwrap();
        let refused = build(&dark, MiMode::Paper, &[999, 1]).unwrap_err();
        assert_eq!(refused, MutualInformationError::Weight { timestep: 999 });
        assert!(build(&dark, MiMode::Reference, &[999, 1]).is_ok());
    }
}
