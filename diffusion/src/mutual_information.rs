//! Point-wise mutual information between prompt and image from the denoiser's two answers.
//!
//! Equation 2 of MI-TUNE weighs the squared distance of conditional and unconditional noise
//! prediction with `kappa_t = beta_t T / (2 alpha_t (1 - alpha_cumprod_t))` and averages over
//! timesteps; the square is a sum over the elements of the latent. The paper's code leaves out
//! `alpha_t` and uses timesteps above 50 only. Everything here is `f64` on the host.
//!
//! Schedulers that work with noise levels visit timesteps between the training ones. There `beta_t`
//! is interpolated linearly, and `alpha_cumprod_t` is that of the level, `1 / (1 + sigma^2)`.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::prediction::PredictionType;
use crate::schedule::{NoiseSchedule, ScheduleError};

/// The reference code lets in the timesteps above this one.
const REFERENCE_CUT: f64 = 50.0;

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
        timestep: f64,
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

    /// Tells whether a timestep counts when the settings name no smallest one.
    fn counts(self, timestep: f64) -> bool {
        match self {
            Self::Paper => true,
            Self::Reference => timestep > REFERENCE_CUT,
        }
    }
}

/// Where the network was asked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    /// The timestep, which may be fractional.
    pub timestep: f64,
    /// The share of signal variance in what the network saw.
    pub alpha_cumprod: f64,
    /// Whether the evaluation may count; one that a multistep method takes back must not.
    pub counts: bool,
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
    /// Fails when no timestep counts or a weight is not finite.
    pub fn new(
        schedule: &NoiseSchedule,
        prediction: PredictionType,
        mode: MiMode,
        min_timestep: Option<usize>,
        raw_outputs: bool,
        levels: &[Level],
    ) -> Result<Self, MutualInformationError> {
        let high_enough = |timestep: f64| match min_timestep {
            Some(least) => timestep >= least as f64,
            None => mode.counts(timestep),
        };
        let counts: Vec<bool> = levels
            .iter()
            .map(|level| level.counts && high_enough(level.timestep))
            .collect();
        if !counts.contains(&true) {
            let min_timestep = min_timestep.unwrap_or(REFERENCE_CUT as usize + 1);
            return Err(MutualInformationError::NoTimestep { min_timestep });
        }
        let prediction = if raw_outputs {
            PredictionType::Epsilon
        } else {
            prediction
        };
        let weights = levels
            .iter()
            .map(|level| match weight(schedule, prediction, mode, level) {
                weight if weight.is_finite() => Ok(weight),
                _ => Err(MutualInformationError::Weight {
                    timestep: level.timestep,
                }),
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

/// Returns `kappa` times the squared slope of noise in the network's output.
fn weight(schedule: &NoiseSchedule, prediction: PredictionType, mode: MiMode, level: &Level) -> f64 {
    let beta = schedule.beta_at(level.timestep);
    let signal = level.alpha_cumprod;
    let scale = beta * schedule.len() as f64 / (2.0 * (1.0 - signal));
    let divisor = match mode {
        MiMode::Paper => 1.0 - beta,
        MiMode::Reference => 1.0,
    };
    // What is left of the signal in a step that leaves nothing is what the step before left.
    let left = || match divisor {
        0.0 => schedule.alphas_cumprod()[(level.timestep as usize).saturating_sub(1)],
        _ => signal / divisor,
    };
    match prediction {
        PredictionType::Epsilon => scale / divisor,
        PredictionType::VPrediction => scale * left(),
        PredictionType::Sample => scale * left() / (1.0 - signal),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheduler::SchedulerConfig;

    fn levels(schedule: &NoiseSchedule, timesteps: &[usize]) -> Vec<Level> {
        let level = |&t: &usize| Level {
            timestep: t as f64,
            alpha_cumprod: schedule.alphas_cumprod()[t],
            counts: true,
        };
        timesteps.iter().map(level).collect()
    }

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
        let levels = levels(&schedule, timesteps);
        let estimator = Estimator::new(&schedule, kind, mode, min, false, &levels).unwrap();
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
        let levels = levels(&schedule, &timesteps);
        let build =
            |kind, raw| Estimator::new(&schedule, kind, MiMode::Reference, None, raw, &levels).unwrap();
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
        let build = |schedule: &NoiseSchedule, kind, mode, timesteps: &[usize]| {
            Estimator::new(schedule, kind, mode, None, false, &levels(schedule, timesteps))
        };
        let (noise, velocity) = (PredictionType::Epsilon, PredictionType::VPrediction);
        let refused = build(&schedule, velocity, MiMode::Reference, &[50, 1]).unwrap_err();
        assert_eq!(refused, MutualInformationError::NoTimestep { min_timestep: 51 });
        assert!(build(&schedule, velocity, MiMode::Paper, &[50, 1]).is_ok());
        let dark = schedule.with_zero_terminal_signal().unwrap();
        let refused = build(&dark, noise, MiMode::Paper, &[999, 1]).unwrap_err();
        assert_eq!(refused, MutualInformationError::Weight { timestep: 999.0 });
        assert!(build(&dark, noise, MiMode::Reference, &[999, 1]).is_ok());
    }

    /// A velocity says something about the noise where no signal is left, in the limit.
    #[test]
    fn the_weight_of_a_velocity_goes_on_to_the_end_of_the_signal() {
        let dark = schedule().with_zero_terminal_signal().unwrap();
        let timesteps = [999, 998];
        let found = Estimator::new(
            &dark,
            PredictionType::VPrediction,
            MiMode::Paper,
            None,
            false,
            &levels(&dark, &timesteps),
        )
        .unwrap()
        .terms(&[1.0, 1.0]);
        for (found, t) in found.iter().zip(timesteps) {
            // kappa times alpha_cumprod, whose quotient by alpha is the product up to the timestep before.
            let (beta, now, before) = (
                dark.betas()[t],
                dark.alphas_cumprod()[t],
                dark.alphas_cumprod()[t - 1],
            );
            let expected = beta * 1000.0 / (2.0 * (1.0 - now)) * before;
            assert!((found / expected - 1.0).abs() < 1e-9, "{found} {expected}");
        }
    }

    #[test]
    fn an_evaluation_that_is_taken_back_does_not_count() {
        let schedule = schedule();
        let mut levels = levels(&schedule, &[981, 961, 961, 941]);
        levels[1].counts = false;
        let kind = PredictionType::Epsilon;
        let estimator = Estimator::new(&schedule, kind, MiMode::Paper, None, false, &levels).unwrap();
        assert_eq!(estimator.mean(&[1.0, 50.0, 2.0, 6.0]), 3.0);
    }

    #[test]
    fn between_timesteps_the_weight_is_between_too() {
        let schedule = schedule();
        let whole = levels(&schedule, &[501, 500]);
        let between = Level {
            timestep: 500.5,
            alpha_cumprod: 0.2757,
            counts: true,
        };
        let kind = PredictionType::Epsilon;
        let build = |levels: &[Level]| {
            Estimator::new(&schedule, kind, MiMode::Reference, None, false, levels).unwrap()
        };
        let ends = build(&whole).terms(&[1.0, 1.0]);
        let middle = build(&[between]).terms(&[1.0])[0];
        assert!(ends[1] < middle && middle < ends[0], "{middle} {ends:?}");
    }
}
