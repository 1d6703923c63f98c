//! The scheduler configuration of a model directory (`scheduler/scheduler_config.json`).
//!
//! Field names are those of diffusers. Any scheduler's file may be loaded as any other, as the
//! reference loads whatever the model ships into a `DDPMScheduler`: a scheduler reads the keys it
//! knows, and where a default differs from class to class the key is kept absent here. Values that
//! would change results and are not supported are errors that name the key.

use serde::Deserialize;
use serde_json::{Map, Value};
use thiserror::Error;

use super::limit::Limit;
use super::solver_config::{SigmaConfig, SolverConfig};
use super::timesteps::TimestepSpacing;
use crate::config_fields::SettingError;
use crate::input_file::without_infinities;
use crate::prediction::PredictionType;
use crate::schedule::{BetaSchedule, NoiseSchedule, ScheduleError};

/// A configuration that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SchedulerConfigError {
    /// A value of another kind, or of a later version of diffusers.
    #[error(transparent)]
    Setting(#[from] SettingError),
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
    /// Betas that are not one for each timestep.
    #[error(
        "Scheduler setting `trained_betas` has {found} entries; supported: {expected}, as many as \
         `num_train_timesteps`"
    )]
    BetaCount {
        /// Entries in the file.
        found: usize,
        /// Number of timesteps.
        expected: usize,
    },
}

impl SchedulerConfigError {
    pub(super) fn unsupported(key: &'static str, value: &str, supported: &'static str) -> Self {
        Self::Unsupported {
            key,
            value: value.to_owned(),
            supported,
        }
    }
}

/// The variance of the noise a DDPM step draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum VarianceType {
    /// The posterior variance; the default.
    #[default]
    FixedSmall,
    /// The posterior variance, which diffusers computes through its logarithm.
    FixedSmallLog,
    /// The forward variance of the step.
    FixedLarge,
}

/// The bound of dynamic thresholding.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DynamicThreshold {
    /// The share of magnitudes below the bound. By default, 0.995.
    pub ratio: f64,
    /// The largest bound. By default, 1.
    pub largest: f64,
}

/// What a diffusers scheduler file says, checked.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "Map<String, Value>")]
pub struct SchedulerConfig {
    /// The diffusers class that the model's index names, else the one that the file was written by; it decides which
    /// scheduler is the model's own.
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
    /// Whether betas are rescaled to leave no signal at the end; PNDM does not know it. By default,
    /// false.
    pub rescale_betas_zero_snr: bool,
    /// What the denoiser outputs. By default, noise.
    pub prediction_type: PredictionType,
    /// Which timesteps a shorter run visits. By default, leading for DDPM, DDIM and PNDM, linspace
    /// for the others.
    pub timestep_spacing: Option<TimestepSpacing>,
    /// The shift of leading timesteps. By default, 0.
    pub steps_offset: usize,
    /// The variance of DDPM steps. By default, the posterior's.
    pub variance_type: VarianceType,
    /// Whether DDPM and DDIM clamp the predicted original. By default, true, which is wrong for
    /// latents: model files of latent diffusion say false.
    pub clip_sample: bool,
    /// The largest magnitude when clamped. By default, 1.
    pub clip_sample_range: f64,
    /// The bound of dynamic thresholding, which takes the place of the clamp. By default, none.
    pub thresholding: Option<DynamicThreshold>,
    /// Whether a run ends at clean data rather than at timestep 0. By default, true for DDIM, false
    /// for PNDM.
    pub set_alpha_to_one: Option<bool>,
    /// Whether PNDM does without Runge-Kutta steps at its start. By default, false; Stable
    /// Diffusion's files say true.
    pub skip_prk_steps: bool,
    /// How Euler and DPM-Solver++ choose noise levels.
    pub sigmas: SigmaConfig,
    /// How DPM-Solver++ steps.
    pub solver: SolverConfig,
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
            rescale_betas_zero_snr: false,
            prediction_type: PredictionType::Epsilon,
            timestep_spacing: None,
            steps_offset: 1,
            variance_type: VarianceType::FixedSmall,
            clip_sample: false,
            clip_sample_range: 1.0,
            thresholding: None,
            set_alpha_to_one: Some(false),
            skip_prk_steps: true,
            sigmas: SigmaConfig::default(),
            solver: SolverConfig::default(),
        }
    }

    /// Takes back two settings as diffusers' `StableDiffusionPipeline` does with the scheduler of its
    /// folder: early files leave out that latents are not clipped and that timesteps are shifted by
    /// one.
    #[must_use]
    pub fn of_stable_diffusion(self) -> Self {
        Self {
            clip_sample: false,
            steps_offset: 1,
            ..self
        }
    }

    /// Reads a file, also with the infinities that Python writes and JSON does not have.
    ///
    /// # Errors
    /// Fails when the text is not JSON or says something that is not supported.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(&without_infinities(text))
    }

    /// Builds the noise schedule.
    ///
    /// # Errors
    /// Fails when the betas are not those of a schedule.
    pub fn schedule(&self) -> Result<NoiseSchedule, ScheduleError> {
        let schedule = self.schedule_as_trained()?;
        match self.rescale_betas_zero_snr {
            true => schedule.with_zero_terminal_signal(),
            false => Ok(schedule),
        }
    }

    /// Builds the noise schedule without rescaling, which is the one PNDM uses.
    ///
    /// # Errors
    /// As for [`Self::schedule`].
    pub fn schedule_as_trained(&self) -> Result<NoiseSchedule, ScheduleError> {
        let betas = match &self.trained_betas {
            Some(betas) => betas.clone(),
            None => self
                .beta_schedule
                .betas(self.beta_start, self.beta_end, self.num_train_timesteps),
        };
        NoiseSchedule::from_betas(betas)
    }

    /// Returns the timesteps that a DDPM or DDIM run of `steps` visits, descending.
    ///
    /// # Errors
    /// Fails when the schedule has fewer timesteps or the offset leads past its end.
    pub fn timesteps(&self, steps: usize) -> Result<Vec<usize>, ScheduleError> {
        self.timestep_spacing
            .unwrap_or(TimestepSpacing::Leading)
            .timesteps(self.num_train_timesteps, steps, self.steps_offset)
    }

    /// Returns the limit of DDPM and DDIM on the predicted original.
    pub fn limit(&self) -> Limit {
        match (self.threshold(), self.clip_sample) {
            (Limit::None, true) => Limit::Clamp(self.clip_sample_range),
            (limit, _) => limit,
        }
    }

    /// Returns the limit of DPM-Solver++ on the predicted original.
    pub fn threshold(&self) -> Limit {
        self.thresholding.map_or(Limit::None, |threshold| Limit::Dynamic {
            ratio: threshold.ratio,
            largest: threshold.largest,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_keys_take_the_defaults_of_diffusers() {
        let config: SchedulerConfig = serde_json::from_str("{}").unwrap();
        assert!(config.clip_sample && config.set_alpha_to_one.is_none());
        assert_eq!(config.limit(), Limit::Clamp(1.0));
        assert_eq!(config.threshold(), Limit::None);
        assert_eq!(config.beta_schedule, BetaSchedule::Linear);
        assert_eq!((config.beta_start, config.beta_end), (0.0001, 0.02));
        assert_eq!(config.timesteps(2).unwrap(), [500, 0]);
        assert_eq!((config.sigmas, config.solver), Default::default());
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
        assert!(
            !written.contains("null") && !written.contains("solver"),
            "{written}"
        );
    }

    #[test]
    fn every_key_round_trips() {
        let text = r#"{"_class_name": "DPMSolverMultistepScheduler", "num_train_timesteps": 3,
            "trained_betas": [0.1, 0.2, 0.3], "timestep_spacing": "trailing", "clip_sample": false,
            "variance_type": "fixed_large", "clip_sample_range": 2.5, "thresholding": true,
            "dynamic_thresholding_ratio": 0.9, "sample_max_value": 1.5, "skip_prk_steps": true,
            "rescale_betas_zero_snr": true, "interpolation_type": "log_linear",
            "use_karras_sigmas": true, "sigma_min": 0.1, "sigma_max": 9.5,
            "final_sigmas_type": "sigma_min", "timestep_type": "continuous", "solver_order": 1,
            "algorithm_type": "sde-dpmsolver++", "solver_type": "heun", "lower_order_final": false,
            "euler_at_final": true, "lambda_min_clipped": -5.1}"#;
        let config = SchedulerConfig::from_json(text).unwrap();
        let written = serde_json::to_value(&config).unwrap();
        let expected: serde_json::Value = serde_json::from_str(text).unwrap();
        for (key, value) in expected.as_object().unwrap() {
            assert_eq!(&written[key], value, "{key}");
        }
        let again: SchedulerConfig = serde_json::from_value(written).unwrap();
        assert_eq!(again, config);
    }

    #[test]
    fn infinities_that_python_writes_are_read() {
        let text = "{\"lambda_min_clipped\": -Infinity, \"sigma_max\": Infinity,\n\
            \"_class_name\": \"a \\\" -Infinity\", \"variance_type\": null}";
        let config = SchedulerConfig::from_json(text).unwrap();
        assert_eq!(config.solver.lambda_min_clipped, None);
        assert_eq!(config.class_name, "a \" -Infinity");
        assert!(SchedulerConfig::from_json("{\"beta_start\": Infinit}").is_err());
    }

    #[test]
    fn what_is_no_configuration_is_refused() {
        for text in ["[]", "[1000, 0.1]", "null", r#"{"beta_start": NaN}"#, ""] {
            assert!(SchedulerConfig::from_json(text).is_err(), "{text}");
        }
    }

    #[test]
    fn betas_are_counted() {
        for (betas, found) in [("[]", 0), ("[0.1, 0.2]", 2)] {
            let text = format!("{{\"trained_betas\": {betas}, \"num_train_timesteps\": 3}}");
            let message = SchedulerConfig::from_json(&text).unwrap_err().to_string();
            let expected = format!(
                "Scheduler setting `trained_betas` has {found} entries; supported: 3, as many as `num_train_timesteps`"
            );
            assert!(message.starts_with(&expected), "{message}");
        }
    }

    #[test]
    fn unsupported_values_name_the_key() {
        for (text, key) in [
            (r#"{"prediction_type": "flow_prediction"}"#, "prediction_type"),
            (r#"{"beta_schedule": "laplace"}"#, "beta_schedule"),
            (r#"{"variance_type": "learned_range"}"#, "variance_type"),
            (r#"{"timestep_spacing": "karras"}"#, "timestep_spacing"),
            (r#"{"trained_betas": [0.1, 0.2]}"#, "trained_betas"),
            (r#"{"final_sigmas_type": "one"}"#, "final_sigmas_type"),
            (r#"{"interpolation_type": "cubic"}"#, "interpolation_type"),
            (r#"{"solver_type": "rk4"}"#, "solver_type"),
            (r#"{"clip_sample_range": -1}"#, "clip_sample_range"),
            (r#"{"sample_max_value": 0}"#, "sample_max_value"),
            (r#"{"num_train_timesteps": 0}"#, "num_train_timesteps"),
            (r#"{"num_train_timesteps": "many"}"#, "num_train_timesteps"),
            (r#"{"steps_offset": 1000000}"#, "steps_offset"),
            (r#"{"steps_offset": -1}"#, "steps_offset"),
            (r#"{"steps_offset": 3, "num_train_timesteps": 3}"#, "steps_offset"),
            (r#"{"use_dynamic_shifting": true}"#, "use_dynamic_shifting"),
            (r#"{"new_rule": 1, "_diffusers_version": "0.43.0"}"#, "new_rule"),
            (r#"{"num_train_timesteps": 4000000000}"#, "num_train_timesteps"),
        ] {
            let error = serde_json::from_str::<SchedulerConfig>(text).unwrap_err();
            assert!(error.to_string().contains(&format!("`{key}`")), "{error}");
        }
    }
}
