//! The scheduler configuration of a model directory (`scheduler/scheduler_config.json`).
//!
//! Field names and defaults are those of diffusers' `DDPMScheduler` and `DDIMScheduler`. Keys of
//! other schedulers are ignored, because any scheduler's file may be loaded as any other: the
//! reference loads whatever the model ships into a `DDPMScheduler`. Values that would change
//! results and are not supported are errors that name the key.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::file::SchedulerFile;
use super::timesteps::TimestepSpacing;
use crate::prediction::PredictionType;
use crate::schedule::{BetaSchedule, NoiseSchedule, ScheduleError};

/// A configuration that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SchedulerConfigError {
    /// A value outside the supported ones.
    #[error("Scheduler setting `{key}` is `{value}`; supported: {supported}")]
    Unsupported {
        /// The key in the file.
        key: &'static str,
        /// The value found.
        value: String,
        /// The values that would work.
        supported: &'static str,
    },
}

/// The variance of the noise a DDPM step draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VarianceType {
    /// The posterior variance; the default.
    #[default]
    FixedSmall,
    /// The posterior variance, which diffusers computes through its logarithm.
    FixedSmallLog,
    /// The forward variance of the step.
    FixedLarge,
}

/// What a diffusers scheduler file says, checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "SchedulerFile")]
pub struct SchedulerConfig {
    /// The diffusers class the file was written for; kept, never used.
    #[serde(rename = "_class_name")]
    pub class_name: String,
    /// The number of training timesteps. By default, 1000.
    pub num_train_timesteps: usize,
    /// The first beta. By default, 0.0001.
    pub beta_start: f64,
    /// The last beta. By default, 0.02.
    pub beta_end: f64,
    /// The curve between them. By default, linear.
    pub beta_schedule: BetaSchedule,
    /// Explicit betas, in place of the curve.
    pub trained_betas: Option<Vec<f64>>,
    /// The variance of DDPM steps. By default, the posterior's.
    pub variance_type: VarianceType,
    /// Whether the predicted original is clamped. By default, true, which is wrong for latents:
    /// model files of latent diffusion say false.
    pub clip_sample: bool,
    /// The largest magnitude when clamped. By default, 1.
    pub clip_sample_range: f64,
    /// What the denoiser outputs. By default, noise.
    pub prediction_type: PredictionType,
    /// Which timesteps a shorter run visits. By default, leading.
    pub timestep_spacing: TimestepSpacing,
    /// The shift of leading timesteps. By default, 0.
    pub steps_offset: usize,
    /// Whether a DDIM run ends at clean data rather than at timestep 0. By default, true.
    pub set_alpha_to_one: bool,
    /// Whether betas are rescaled to leave no signal at the end. By default, false.
    pub rescale_betas_zero_snr: bool,
}

impl SchedulerConfig {
    /// The settings Stable Diffusion 1 and 2 were trained and are sampled with.
    pub fn stable_diffusion() -> Self {
        Self {
            class_name: "DDPMScheduler".to_owned(),
            num_train_timesteps: 1000,
            beta_start: 0.00085,
            beta_end: 0.012,
            beta_schedule: BetaSchedule::ScaledLinear,
            trained_betas: None,
            variance_type: VarianceType::FixedSmall,
            clip_sample: false,
            clip_sample_range: 1.0,
            prediction_type: PredictionType::Epsilon,
            timestep_spacing: TimestepSpacing::Leading,
            steps_offset: 1,
            set_alpha_to_one: false,
            rescale_betas_zero_snr: false,
        }
    }

    /// Builds the noise schedule.
    ///
    /// # Errors
    /// Fails when the betas are not those of a schedule.
    pub fn schedule(&self) -> Result<NoiseSchedule, ScheduleError> {
        let betas = match &self.trained_betas {
            Some(betas) => betas.clone(),
            None => self
                .beta_schedule
                .betas(self.beta_start, self.beta_end, self.num_train_timesteps),
        };
        let schedule = NoiseSchedule::from_betas(betas)?;
        match self.rescale_betas_zero_snr {
            true => schedule.with_zero_terminal_signal(),
            false => Ok(schedule),
        }
    }

    /// Returns the timesteps of a run of `steps`, descending.
    ///
    /// # Errors
    /// Fails when the schedule has fewer timesteps or the offset leads past its end.
    pub fn timesteps(&self, steps: usize) -> Result<Vec<usize>, ScheduleError> {
        self.timestep_spacing
            .timesteps(self.num_train_timesteps, steps, self.steps_offset)
    }

    /// Returns the clamp of the predicted original, if any.
    pub fn clip(&self) -> Option<f64> {
        self.clip_sample.then_some(self.clip_sample_range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_keys_take_the_defaults_of_diffusers() {
        let config: SchedulerConfig = serde_json::from_str("{}").unwrap();
        assert!(config.clip_sample && config.set_alpha_to_one);
        assert_eq!(config.clip(), Some(1.0));
        assert_eq!(config.beta_schedule, BetaSchedule::Linear);
        assert_eq!((config.beta_start, config.beta_end), (0.0001, 0.02));
        assert_eq!(config.timesteps(2).unwrap(), [500, 0]);
    }

    #[test]
    fn a_file_of_another_scheduler_loads_and_round_trips() {
        let text = r#"{"_class_name": "PNDMScheduler", "_diffusers_version": "0.8.0",
            "beta_end": 0.012, "beta_schedule": "scaled_linear", "beta_start": 0.00085,
            "clip_sample": false, "num_train_timesteps": 1000, "prediction_type": "epsilon",
            "set_alpha_to_one": false, "skip_prk_steps": true, "steps_offset": 1,
            "trained_betas": null}"#;
        let config: SchedulerConfig = serde_json::from_str(text).unwrap();
        let expected = SchedulerConfig {
            class_name: "PNDMScheduler".to_owned(),
            ..SchedulerConfig::stable_diffusion()
        };
        assert_eq!(config, expected);
        let written = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<SchedulerConfig>(&written).unwrap(), config);
    }

    #[test]
    fn unsupported_values_name_the_key() {
        for (text, key) in [
            (r#"{"prediction_type": "flow_prediction"}"#, "prediction_type"),
            (r#"{"beta_schedule": "laplace"}"#, "beta_schedule"),
            (r#"{"variance_type": "learned_range"}"#, "variance_type"),
            (r#"{"timestep_spacing": "karras"}"#, "timestep_spacing"),
            (r#"{"thresholding": true}"#, "thresholding"),
            (r#"{"trained_betas": [0.1, 0.2]}"#, "trained_betas"),
        ] {
            let error = serde_json::from_str::<SchedulerConfig>(text).unwrap_err();
            assert!(error.to_string().contains(&format!("`{key}`")), "{error}");
        }
    }
}
