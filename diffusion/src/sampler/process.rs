//! The steps of a run.

use super::{SamplerError, SamplerSettings, StepVariance};
use crate::scheduler::{ReverseProcess, SchedulerConfig};

/// Works out the steps, with the variance of the settings.
pub(super) fn process(
    config: &SchedulerConfig,
    settings: &SamplerSettings,
) -> Result<ReverseProcess, SamplerError> {
    let SamplerSettings {
        scheduler,
        eta,
        steps,
        variance,
        ..
    } = *settings;
    if variance == StepVariance::Scheduler {
        return Ok(scheduler.reverse_process(config, steps, eta)?);
    }
    let process = scheduler.process_with_variance(config, steps, variance)?;
    process.ok_or(SamplerError::Variance {
        scheduler: scheduler.name(),
    })
}
