//! What can go wrong in a sampling run.

use thiserror::Error;

use crate::denoiser::DenoiserError;
use crate::mutual_information::{MeasureError, MutualInformationError};
use crate::schedule::ScheduleError;
use crate::scheduler::StepError;

/// A run that cannot be set up or did not end well.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum SamplerError {
    /// A setting outside its range.
    #[error("Sampler setting `{name}` is `{value}`; it must be {range}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// Its value.
        value: f64,
        /// The values that would work.
        range: &'static str,
    },
    /// The schedule cannot serve the run.
    #[error("The noise schedule cannot serve this run")]
    Schedule(#[from] ScheduleError),
    /// The steps cannot be built.
    #[error("The scheduler steps cannot be built")]
    Step(#[from] StepError),
    /// A variance that the scheduler has no place for.
    #[error("Scheduler `{scheduler}` has no variance to choose; only `ddpm` has")]
    Variance {
        /// The scheduler.
        scheduler: &'static str,
    },
    /// The score cannot be built.
    #[error("Mutual information cannot be estimated along this run")]
    MutualInformation(#[from] MutualInformationError),
    /// The measure was made for another run.
    #[error("Mutual information cannot be estimated along this run")]
    Measure(#[from] MeasureError),
    /// The denoiser does not answer.
    #[error("The denoiser does not answer")]
    Denoiser(#[from] DenoiserError),
    /// Two contexts differ in shape.
    #[error("A context has the shape `{found:?}` where `{expected:?}` is needed")]
    Context {
        /// The shape needed.
        expected: [usize; 3],
        /// The shape found.
        found: [usize; 3],
    },
    /// A candidate holds a value that is not a number.
    #[error("The candidate of seed index `{seed_index}` is not finite")]
    NotFinite {
        /// The candidate's seed index.
        seed_index: u32,
    },
    /// The device failed to hand back a result.
    #[error("The device failed: {reason}")]
    Device {
        /// What the device said.
        reason: String,
    },
    /// The caller asked to stop.
    #[error("The run was cancelled")]
    Cancelled,
}
