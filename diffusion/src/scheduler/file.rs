//! The scheduler file as written, and the check that makes it a configuration.

use serde::Deserialize;

use super::config::{SchedulerConfig, SchedulerConfigError, VarianceType};
use super::timesteps::TimestepSpacing;
use crate::prediction::PredictionType;
use crate::schedule::BetaSchedule;

/// The file as written, with enumerations still text so that errors can name the key.
#[derive(Deserialize)]
#[serde(default)]
pub(super) struct SchedulerFile {
    #[serde(rename = "_class_name")]
    class_name: String,
    num_train_timesteps: usize,
    beta_start: f64,
    beta_end: f64,
    beta_schedule: String,
    trained_betas: Option<Vec<f64>>,
    variance_type: String,
    clip_sample: bool,
    clip_sample_range: f64,
    prediction_type: String,
    thresholding: bool,
    timestep_spacing: String,
    steps_offset: usize,
    set_alpha_to_one: bool,
    rescale_betas_zero_snr: bool,
}

impl Default for SchedulerFile {
    fn default() -> Self {
        Self {
            class_name: "DDPMScheduler".to_owned(),
            num_train_timesteps: 1000,
            beta_start: 0.0001,
            beta_end: 0.02,
            beta_schedule: "linear".to_owned(),
            trained_betas: None,
            variance_type: "fixed_small".to_owned(),
            clip_sample: true,
            clip_sample_range: 1.0,
            prediction_type: "epsilon".to_owned(),
            thresholding: false,
            timestep_spacing: "leading".to_owned(),
            steps_offset: 0,
            set_alpha_to_one: true,
            rescale_betas_zero_snr: false,
        }
    }
}

impl TryFrom<SchedulerFile> for SchedulerConfig {
    type Error = SchedulerConfigError;

    fn try_from(file: SchedulerFile) -> Result<Self, Self::Error> {
        if file.thresholding {
            return Err(unsupported("thresholding", "true", "`false`"));
        }
        let lengths_agree = file
            .trained_betas
            .as_ref()
            .is_none_or(|betas| betas.len() == file.num_train_timesteps);
        if !lengths_agree {
            let supported = "as many as `num_train_timesteps`";
            return Err(unsupported("trained_betas", "a list", supported));
        }
        Ok(Self {
            class_name: file.class_name,
            num_train_timesteps: file.num_train_timesteps,
            beta_start: file.beta_start,
            beta_end: file.beta_end,
            beta_schedule: match file.beta_schedule.as_str() {
                "linear" => BetaSchedule::Linear,
                "scaled_linear" => BetaSchedule::ScaledLinear,
                "squaredcos_cap_v2" => BetaSchedule::SquaredcosCapV2,
                "sigmoid" => BetaSchedule::Sigmoid,
                other => {
                    let supported = "`linear`, `scaled_linear`, `squaredcos_cap_v2`, `sigmoid`";
                    return Err(unsupported("beta_schedule", other, supported));
                }
            },
            trained_betas: file.trained_betas,
            variance_type: match file.variance_type.as_str() {
                "fixed_small" => VarianceType::FixedSmall,
                "fixed_small_log" => VarianceType::FixedSmallLog,
                "fixed_large" => VarianceType::FixedLarge,
                other => {
                    let supported = "`fixed_small`, `fixed_small_log`, `fixed_large`";
                    return Err(unsupported("variance_type", other, supported));
                }
            },
            clip_sample: file.clip_sample,
            clip_sample_range: file.clip_sample_range,
            prediction_type: match file.prediction_type.as_str() {
                "epsilon" => PredictionType::Epsilon,
                "v_prediction" => PredictionType::VPrediction,
                "sample" => PredictionType::Sample,
                other => {
                    let supported = "`epsilon`, `v_prediction`, `sample`";
                    return Err(unsupported("prediction_type", other, supported));
                }
            },
            timestep_spacing: match file.timestep_spacing.as_str() {
                "leading" => TimestepSpacing::Leading,
                "trailing" => TimestepSpacing::Trailing,
                "linspace" => TimestepSpacing::Linspace,
                other => {
                    let supported = "`leading`, `trailing`, `linspace`";
                    return Err(unsupported("timestep_spacing", other, supported));
                }
            },
            steps_offset: file.steps_offset,
            set_alpha_to_one: file.set_alpha_to_one,
            rescale_betas_zero_snr: file.rescale_betas_zero_snr,
        })
    }
}

fn unsupported(key: &'static str, value: &str, supported: &'static str) -> SchedulerConfigError {
    SchedulerConfigError::Unsupported {
        key,
        value: value.to_owned(),
        supported,
    }
}
