//! One step of the reverse process, reduced to a handful of numbers.
//!
//! The schedulers differ only in how these numbers follow from the schedule. Once they are known,
//! a step is one linear combination of the latent, the network's output, what earlier steps kept
//! and fresh noise; [`Trajectory`](super::Trajectory) evaluates it.

use thiserror::Error;

use super::config::SchedulerConfigError;
use super::limit::Limit;
use crate::denoiser::NoiseLevel;
use crate::prediction::Mix;
use crate::schedule::ScheduleError;

/// Reverse steps that cannot be built.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum StepError {
    /// The timesteps do not fit the schedule.
    #[error("The timesteps do not fit the noise schedule")]
    Schedule(#[source] ScheduleError),
    /// The scheduler cannot serve the configuration.
    #[error("The scheduler cannot be built from its file")]
    Configuration(#[source] SchedulerConfigError),
    /// The numbers of a step are not finite: the prediction type says nothing about the original
    /// there, or two timesteps of a multistep method coincide.
    #[error("The step at timestep `{timestep}` is singular")]
    Singular {
        /// The timestep of the step.
        timestep: f64,
    },
    /// The noise level of the first latent is beyond what latents hold.
    #[error("The steps begin at the noise level `{level:e}`, which is out of the range of latents")]
    Start {
        /// The level.
        level: f64,
    },
}

impl From<ScheduleError> for StepError {
    fn from(error: ScheduleError) -> Self {
        Self::Schedule(error)
    }
}

impl From<SchedulerConfigError> for StepError {
    fn from(error: SchedulerConfigError) -> Self {
        Self::Configuration(error)
    }
}

/// What a step leaves behind for later ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keeps {
    /// Nothing; the rule for single-step methods.
    #[default]
    Nothing,
    /// The network's output.
    Output,
    /// The predicted original.
    Original,
}

/// Which latent a step starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Anchor {
    /// The one the last step ended with; the default.
    #[default]
    Current,
    /// The same, which is remembered as the anchor of steps to come.
    Remember,
    /// The remembered one: the network has looked ahead, and the way is gone again from there.
    Remembered,
}

/// The numbers of one step: `next = original * x_0 + sample * z + output * out + history . kept +
/// noise * e`, where `x_0` is itself mixed from `z` and `out` and then limited.
#[derive(Debug, Clone, PartialEq)]
pub struct ReverseStep {
    /// The timestep the denoiser is told, which may be fractional.
    pub timestep: f64,
    /// The share of signal variance in what the denoiser sees.
    pub alpha_cumprod: f64,
    /// The level on the straight path of a rectified flow; none on a variance-preserving path.
    pub flow_sigma: Option<f64>,
    /// The factor of the latent before the denoiser sees it.
    pub input_scale: f64,
    /// How the predicted original follows from the latent and the network's output.
    pub prediction: Mix,
    /// The limit on the predicted original.
    pub limit: Limit,
    /// The factor of the predicted original.
    pub original: f64,
    /// The factor of the latent the step starts from.
    pub sample: f64,
    /// The factor of the network's output.
    pub output: f64,
    /// The factors of what earlier steps kept, the latest first.
    pub history: Vec<f64>,
    /// The standard deviation of the fresh noise.
    pub noise: f64,
    /// Whether noise is drawn; some schedulers draw noise that they do not use.
    pub draws: bool,
    /// What the step keeps.
    pub keeps: Keeps,
    /// Where the step starts.
    pub anchor: Anchor,
    /// Whether the latent that the denoiser sees is one of the trajectory rather than a trial
    /// that is taken back; only these count in a score.
    pub on_trajectory: bool,
}

impl ReverseStep {
    /// Starts a step that leaves everything out, at a timestep of a variance-preserving schedule.
    pub(super) fn at(timestep: f64, alpha_cumprod: f64) -> Self {
        Self {
            timestep,
            alpha_cumprod,
            flow_sigma: None,
            input_scale: 1.0,
            prediction: Mix {
                sample: 0.0,
                output: 0.0,
            },
            limit: Limit::None,
            original: 0.0,
            sample: 0.0,
            output: 0.0,
            history: Vec::new(),
            noise: 0.0,
            draws: false,
            keeps: Keeps::Nothing,
            anchor: Anchor::Current,
            on_trajectory: true,
        }
    }

    /// Starts a step that leaves everything out, at a level of a rectified flow.
    pub(crate) fn on_flow(timestep: f64, sigma: f64) -> Self {
        let level = NoiseLevel::flow(timestep, sigma);
        Self {
            flow_sigma: Some(sigma),
            ..Self::at(timestep, level.signal_share())
        }
    }

    /// The noise level of what the denoiser sees.
    pub fn level(&self) -> NoiseLevel {
        match self.flow_sigma {
            None => NoiseLevel::variance_preserving(self.timestep, self.alpha_cumprod),
            Some(sigma) => NoiseLevel::flow(self.timestep, sigma),
        }
    }

    /// Checks that every number is finite, as the f32 that latents are multiplied with too.
    pub(super) fn checked(self) -> Result<Self, StepError> {
        let numbers = [
            self.timestep,
            self.alpha_cumprod,
            self.input_scale,
            self.original,
            self.sample,
            self.output,
            self.noise,
        ];
        let finite = |numbers: &[f64]| numbers.iter().all(|&number| (number as f32).is_finite());
        if self.prediction.is_finite() && finite(&numbers) && finite(&self.history) {
            Ok(self)
        } else {
            let timestep = self.timestep;
            Err(StepError::Singular { timestep })
        }
    }
}
