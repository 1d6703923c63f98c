//! The scheduler file as written, and the check that makes it a configuration.

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::config::{DynamicThreshold, SchedulerConfig, SchedulerConfigError};
use super::file_names::{
    BETA_SCHEDULES, PREDICTION_TYPES, SOLVER_FORMS, SPACINGS, VARIANCE_TYPES, chosen, name,
};
use super::setting::{OF_OTHERS, SWITCHED_OFF, Setting};
use super::solver_config::{SigmaConfig, SigmaSpread, SolverConfig};
use crate::config_fields::{ConfigFields, DIFFUSERS, SettingError};

/// Declares the file: every key may be absent or null, and what is absent is not written.
macro_rules! scheduler_file {
    ($($key:ident($name:literal): $kind:ty,)*) => {
        #[derive(Clone, Default, Serialize)]
        struct SchedulerFile {
            $(
                #[serde(rename = $name, skip_serializing_if = "Option::is_none")]
                $key: Option<$kind>,
            )*
        }

        impl SchedulerFile {
            fn take(fields: &mut ConfigFields) -> Result<Self, SettingError> {
                Ok(Self {
                    $($key: fields.take_optional($name, <$kind>::EXPECTED, <$kind>::read)?,)*
                })
            }
        }
    };
}

scheduler_file! {
    class_name("_class_name"): String,
    num_train_timesteps("num_train_timesteps"): usize,
    beta_start("beta_start"): f64,
    beta_end("beta_end"): f64,
    beta_schedule("beta_schedule"): String,
    trained_betas("trained_betas"): Vec<f64>,
    rescale_betas_zero_snr("rescale_betas_zero_snr"): bool,
    prediction_type("prediction_type"): String,
    timestep_spacing("timestep_spacing"): String,
    steps_offset("steps_offset"): usize,
    variance_type("variance_type"): String,
    clip_sample("clip_sample"): bool,
    clip_sample_range("clip_sample_range"): f64,
    thresholding("thresholding"): bool,
    dynamic_thresholding_ratio("dynamic_thresholding_ratio"): f64,
    sample_max_value("sample_max_value"): f64,
    set_alpha_to_one("set_alpha_to_one"): bool,
    skip_prk_steps("skip_prk_steps"): bool,
    interpolation_type("interpolation_type"): String,
    use_karras_sigmas("use_karras_sigmas"): bool,
    use_exponential_sigmas("use_exponential_sigmas"): bool,
    use_beta_sigmas("use_beta_sigmas"): bool,
    use_lu_lambdas("use_lu_lambdas"): bool,
    use_flow_sigmas("use_flow_sigmas"): bool,
    sigma_min("sigma_min"): f64,
    sigma_max("sigma_max"): f64,
    final_sigmas_type("final_sigmas_type"): String,
    timestep_type("timestep_type"): String,
    solver_order("solver_order"): usize,
    algorithm_type("algorithm_type"): String,
    solver_type("solver_type"): String,
    lower_order_final("lower_order_final"): bool,
    euler_at_final("euler_at_final"): bool,
    lambda_min_clipped("lambda_min_clipped"): f64,
}

/// Most timesteps of a schedule, all of which are in memory.
const LONGEST: usize = 1_000_000;

impl TryFrom<Map<String, Value>> for SchedulerConfig {
    type Error = SchedulerConfigError;

    fn try_from(fields: Map<String, Value>) -> Result<Self, Self::Error> {
        let mut fields = ConfigFields::new(fields, DIFFUSERS);
        let file = SchedulerFile::take(&mut fields)?;
        for (field, off) in SWITCHED_OFF {
            fields.refuse(field, &[off, Value::Null])?;
        }
        fields.ignore(&OF_OTHERS);
        fields.finish()?;
        Self::try_from(file)
    }
}

impl TryFrom<SchedulerFile> for SchedulerConfig {
    type Error = SchedulerConfigError;

    fn try_from(file: SchedulerFile) -> Result<Self, Self::Error> {
        let num_train_timesteps = file.num_train_timesteps.unwrap_or(1000);
        if !(1..=LONGEST).contains(&num_train_timesteps) {
            let found = num_train_timesteps.to_string();
            let supported = "1 to 1000000";
            return Err(SchedulerConfigError::unsupported(
                "num_train_timesteps",
                &found,
                supported,
            ));
        }
        let betas = file.trained_betas.as_ref().map(Vec::len);
        if let Some(found) = betas.filter(|found| *found != num_train_timesteps) {
            return Err(SchedulerConfigError::BetaCount {
                found,
                expected: num_train_timesteps,
            });
        }
        let steps_offset = file.steps_offset.unwrap_or(0);
        if steps_offset >= num_train_timesteps {
            return Err(SchedulerConfigError::unsupported(
                "steps_offset",
                &steps_offset.to_string(),
                "less than `num_train_timesteps`",
            ));
        }
        let positive = |key, value: Option<f64>| match value {
            Some(value) if value.is_nan() || value <= 0.0 => Err(SchedulerConfigError::unsupported(
                key,
                &value.to_string(),
                "above 0",
            )),
            _ => Ok(value),
        };
        let clip_sample_range = positive("clip_sample_range", file.clip_sample_range)?;
        let sample_max_value = positive("sample_max_value", file.sample_max_value)?;
        let spacing = match &file.timestep_spacing {
            Some(_) => Some(chosen(
                &file.timestep_spacing,
                SPACINGS,
                "timestep_spacing",
                "`leading`, `trailing`, `linspace`",
            )?),
            None => None,
        };
        let threshold = DynamicThreshold {
            ratio: file.dynamic_thresholding_ratio.unwrap_or(0.995),
            largest: sample_max_value.unwrap_or(1.0),
        };
        Ok(Self {
            num_train_timesteps,
            beta_start: file.beta_start.unwrap_or(0.0001),
            beta_end: file.beta_end.unwrap_or(0.02),
            beta_schedule: chosen(
                &file.beta_schedule,
                BETA_SCHEDULES,
                "beta_schedule",
                "`linear`, `scaled_linear`, `squaredcos_cap_v2`, `sigmoid`",
            )?,
            rescale_betas_zero_snr: file.rescale_betas_zero_snr == Some(true),
            prediction_type: chosen(
                &file.prediction_type,
                PREDICTION_TYPES,
                "prediction_type",
                "`epsilon`, `v_prediction`, `sample`",
            )?,
            timestep_spacing: spacing,
            steps_offset,
            variance_type: chosen(
                &file.variance_type,
                VARIANCE_TYPES,
                "variance_type",
                "`fixed_small`, `fixed_small_log`, `fixed_large`",
            )?,
            clip_sample: file.clip_sample.unwrap_or(true),
            clip_sample_range: clip_sample_range.unwrap_or(1.0),
            thresholding: (file.thresholding == Some(true)).then_some(threshold),
            set_alpha_to_one: file.set_alpha_to_one,
            skip_prk_steps: file.skip_prk_steps == Some(true),
            sigmas: file.sigmas()?,
            solver: file.solver()?,
            class_name: file.class_name.unwrap_or_else(|| "DDPMScheduler".to_owned()),
            trained_betas: file.trained_betas,
        })
    }
}

impl SchedulerFile {
    fn sigmas(&self) -> Result<SigmaConfig, SchedulerConfigError> {
        let spreads = [
            (self.use_karras_sigmas, SigmaSpread::Karras),
            (self.use_lu_lambdas, SigmaSpread::Lu),
            (self.use_exponential_sigmas, SigmaSpread::Exponential),
            (self.use_beta_sigmas, SigmaSpread::Unsupported("use_beta_sigmas")),
            (self.use_flow_sigmas, SigmaSpread::Unsupported("use_flow_sigmas")),
        ];
        let spread = spreads.into_iter().find(|(used, _)| *used == Some(true));
        Ok(SigmaConfig {
            spread: spread.map_or(SigmaSpread::Timesteps, |(_, spread)| spread),
            log_linear: chosen(
                &self.interpolation_type,
                &[("linear", false), ("log_linear", true)],
                "interpolation_type",
                "`linear`, `log_linear`",
            )?,
            lowest: self.sigma_min,
            highest: self.sigma_max,
            end_at_lowest: chosen(
                &self.final_sigmas_type,
                &[("zero", false), ("sigma_min", true)],
                "final_sigmas_type",
                "`zero`, `sigma_min`",
            )?,
            continuous: chosen(
                &self.timestep_type,
                &[("discrete", false), ("continuous", true)],
                "timestep_type",
                "`discrete`, `continuous`",
            )?,
        })
    }

    fn solver(&self) -> Result<SolverConfig, SchedulerConfigError> {
        let default = SolverConfig::default();
        Ok(SolverConfig {
            order: self.solver_order.unwrap_or(default.order),
            algorithm: self.algorithm_type.clone().unwrap_or(default.algorithm),
            form: chosen(
                &self.solver_type,
                SOLVER_FORMS,
                "solver_type",
                "`midpoint`, `heun`",
            )?,
            lower_order_final: self.lower_order_final.unwrap_or(default.lower_order_final),
            euler_at_final: self.euler_at_final.unwrap_or(default.euler_at_final),
            lambda_min_clipped: self.lambda_min_clipped,
        })
    }
}

impl Serialize for SchedulerConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        SchedulerFile::from(self.clone()).serialize(serializer)
    }
}

impl From<SchedulerConfig> for SchedulerFile {
    fn from(config: SchedulerConfig) -> Self {
        let (sigmas, solver) = (config.sigmas, config.solver);
        let (no_sigmas, no_solver) = (SigmaConfig::default(), SolverConfig::default());
        let spread = |spread| (sigmas.spread == spread).then_some(true);
        let threshold = config.thresholding;
        Self {
            class_name: Some(config.class_name),
            num_train_timesteps: Some(config.num_train_timesteps),
            beta_start: Some(config.beta_start),
            beta_end: Some(config.beta_end),
            beta_schedule: name(config.beta_schedule, BETA_SCHEDULES),
            trained_betas: config.trained_betas,
            rescale_betas_zero_snr: Some(config.rescale_betas_zero_snr),
            prediction_type: name(config.prediction_type, PREDICTION_TYPES),
            timestep_spacing: config
                .timestep_spacing
                .and_then(|spacing| name(spacing, SPACINGS)),
            steps_offset: Some(config.steps_offset),
            variance_type: name(config.variance_type, VARIANCE_TYPES),
            clip_sample: Some(config.clip_sample),
            clip_sample_range: Some(config.clip_sample_range),
            thresholding: threshold.map(|_| true),
            dynamic_thresholding_ratio: threshold.map(|threshold| threshold.ratio),
            sample_max_value: threshold.map(|threshold| threshold.largest),
            set_alpha_to_one: config.set_alpha_to_one,
            skip_prk_steps: config.skip_prk_steps.then_some(true),
            interpolation_type: sigmas.log_linear.then(|| "log_linear".to_owned()),
            use_karras_sigmas: spread(SigmaSpread::Karras),
            use_exponential_sigmas: spread(SigmaSpread::Exponential),
            use_beta_sigmas: spread(SigmaSpread::Unsupported("use_beta_sigmas")),
            use_lu_lambdas: spread(SigmaSpread::Lu),
            use_flow_sigmas: spread(SigmaSpread::Unsupported("use_flow_sigmas")),
            sigma_min: sigmas.lowest,
            sigma_max: sigmas.highest,
            final_sigmas_type: (sigmas.end_at_lowest != no_sigmas.end_at_lowest)
                .then(|| "sigma_min".to_owned()),
            timestep_type: sigmas.continuous.then(|| "continuous".to_owned()),
            solver_order: changed(solver.order, no_solver.order),
            algorithm_type: changed(solver.algorithm, no_solver.algorithm),
            solver_type: changed(solver.form, no_solver.form).and_then(|form| name(form, SOLVER_FORMS)),
            lower_order_final: changed(solver.lower_order_final, no_solver.lower_order_final),
            euler_at_final: changed(solver.euler_at_final, no_solver.euler_at_final),
            lambda_min_clipped: solver.lambda_min_clipped,
        }
    }
}

fn changed<T: PartialEq>(value: T, default: T) -> Option<T> {
    (value != default).then_some(value)
}
