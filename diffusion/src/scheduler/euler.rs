//! Euler's method on the probability flow, plain and ancestral (Karras et al. 2022, equation 4).
//!
//! Latents are `x_0 + sigma e` here, so the denoiser sees them divided by `sqrt(1 + sigma^2)`, and
//! the slope of the way down is the predicted noise. The ancestral form goes below the next level
//! and comes back up with fresh noise.

use super::config::{SchedulerConfig, SchedulerConfigError};
use super::reverse_process::ReverseProcess;
use super::reverse_step::{ReverseStep, StepError};
use super::sigmas::{SigmaTable, alpha_cumprod_of, exponential, karras};
use super::solver_config::SigmaSpread;
use super::timesteps::TimestepSpacing;
use crate::prediction::{Mix, PredictionType};
use crate::schedule::NoiseSchedule;

/// Works out Euler's steps.
///
/// # Errors
/// Fails when the number of steps does not fit the schedule or the file asks for something that is
/// not supported.
pub fn plain(
    schedule: &NoiseSchedule,
    config: &SchedulerConfig,
    steps: usize,
) -> Result<ReverseProcess, StepError> {
    let unsupported = SchedulerConfigError::unsupported;
    if config.sigmas.continuous && config.prediction_type == PredictionType::VPrediction {
        return Err(unsupported("timestep_type", "continuous", "`discrete`").into());
    }
    let table = SigmaTable::new(schedule);
    let (mut timesteps, levels) = levels(&table, config, steps)?;
    let mut sigmas = match config.sigmas.log_linear {
        true => exponential(table.highest(), table.lowest(), steps + 1),
        false => levels,
    };
    let spread = match config.sigmas.spread {
        SigmaSpread::Timesteps | SigmaSpread::Lu => None,
        SigmaSpread::Karras => Some(karras as fn(f64, f64, usize) -> Vec<f64>),
        SigmaSpread::Exponential => Some(exponential as _),
        // Euler does not know flow levels and ignores them.
        SigmaSpread::Unsupported("use_flow_sigmas") => None,
        SigmaSpread::Unsupported(key) => return Err(unsupported(key, "true", "`false`").into()),
    };
    if let Some(spread) = spread {
        let highest = config.sigmas.highest.unwrap_or(sigmas[0]);
        let lowest = config.sigmas.lowest.unwrap_or(sigmas[sigmas.len() - 1]);
        sigmas = spread(highest, lowest, steps);
        timesteps = sigmas.iter().map(|&sigma| table.timestep(sigma)).collect();
    }
    sigmas.push(match config.sigmas.end_at_lowest {
        true => table.lowest(),
        false => 0.0,
    });
    let start = start(config, &sigmas)?;
    let reverse = timesteps.iter().zip(sigmas.windows(2)).map(|(&timestep, pair)| {
        let prediction = config.prediction_type;
        step(prediction, timestep, pair[0], pair[1], 0.0, false).checked()
    });
    let reverse = reverse.collect::<Result<_, _>>()?;
    Ok(ReverseProcess::new(reverse, start))
}

/// Works out the ancestral steps; their file has no say in the noise levels.
///
/// # Errors
/// As for [`plain`], and for models that predict the original, as in diffusers.
pub fn ancestral(
    schedule: &NoiseSchedule,
    config: &SchedulerConfig,
    steps: usize,
) -> Result<ReverseProcess, StepError> {
    if config.prediction_type == PredictionType::Sample {
        let supported = "`epsilon`, `v_prediction`";
        return Err(SchedulerConfigError::unsupported("prediction_type", "sample", supported).into());
    }
    let (timesteps, mut sigmas) = levels(&SigmaTable::new(schedule), config, steps)?;
    sigmas.push(0.0);
    let start = start(config, &sigmas)?;
    let reverse = timesteps.iter().zip(sigmas.windows(2)).map(|(&timestep, pair)| {
        let (from, to) = (pair[0], pair[1]);
        let up = to / from * (from * from - to * to).max(0.0).sqrt();
        step(config.prediction_type, timestep, from, to * to / from, up, true).checked()
    });
    let reverse = reverse.collect::<Result<_, _>>()?;
    Ok(ReverseProcess::new(reverse, start))
}

fn levels(
    table: &SigmaTable,
    config: &SchedulerConfig,
    steps: usize,
) -> Result<(Vec<f64>, Vec<f64>), StepError> {
    let timesteps = spacing(config).fractional(config.num_train_timesteps, steps, config.steps_offset)?;
    let sigmas = timesteps.iter().map(|&timestep| table.at(timestep)).collect();
    Ok((timesteps, sigmas))
}

fn spacing(config: &SchedulerConfig) -> TimestepSpacing {
    config.timestep_spacing.unwrap_or(TimestepSpacing::Linspace)
}

/// Returns the standard deviation of the latent a run starts from.
fn start(config: &SchedulerConfig, sigmas: &[f64]) -> Result<f64, StepError> {
    let highest = sigmas.iter().copied().fold(0.0, f64::max);
    let level = match spacing(config) {
        TimestepSpacing::Leading => (highest * highest + 1.0).sqrt(),
        TimestepSpacing::Linspace | TimestepSpacing::Trailing => highest,
    };
    match (level as f32).is_finite() {
        true => Ok(level),
        false => Err(StepError::Start { level }),
    }
}

/// Goes from one level to another along the slope, with noise on top.
fn step(
    prediction: PredictionType,
    timestep: f64,
    from: f64,
    to: f64,
    noise: f64,
    draws: bool,
) -> ReverseStep {
    let left = alpha_cumprod_of(from);
    let slope = match prediction {
        PredictionType::Epsilon => Mix {
            sample: 0.0,
            output: 1.0,
        },
        PredictionType::VPrediction => Mix {
            sample: from * left,
            output: left.sqrt(),
        },
        PredictionType::Sample => Mix {
            sample: 1.0 / from,
            output: -1.0 / from,
        },
    };
    ReverseStep {
        input_scale: left.sqrt(),
        sample: 1.0 + (to - from) * slope.sample,
        output: (to - from) * slope.output,
        noise,
        draws,
        ..ReverseStep::at(timestep, left)
    }
}
