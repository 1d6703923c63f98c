//! Point-wise mutual information between prompt and image from the denoiser's two answers.
//!
//! Equation 2 of MI-TUNE weighs the squared distance of conditional and unconditional noise
//! prediction with `kappa_t = beta_t T / (2 alpha_t (1 - alpha_cumprod_t))` and takes the
//! expectation over timesteps; the square is a sum over the elements of the latent, so that the
//! result is in nats of the whole image. The paper's algorithm 2 and its code differ from that and
//! from each other, so every part of the estimator is a setting of its own ([`EstimatorParts`]),
//! and [`MiMode`] names sets of them. Everything here is `f64` on the host.
//!
//! Schedulers that work with noise levels visit timesteps between the training ones. There `beta_t`
//! is interpolated linearly, and `alpha_cumprod_t` is that of the level, `1 / (1 + sigma^2)`.

mod estimator;
pub(crate) mod measure;
mod parts;
#[cfg(test)]
mod tests;

use thiserror::Error;

use crate::schedule::ScheduleError;

pub use estimator::{Estimator, Level};
pub use measure::{AnswerSum, InformationMeasure, MeasureError, Measured};
pub use parts::{EstimatorParts, MiMode, MiReduction, MiTrajectory, MiWeight};

/// An estimator that cannot be built.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum MutualInformationError {
    /// The timesteps do not fit the schedule.
    #[error("The timesteps do not fit the noise schedule")]
    Schedule(#[source] ScheduleError),
    /// No timestep lies in the range that counts.
    #[error("No timestep of the run is {}", range(*.min_timestep, *.max_timestep))]
    NoTimestep {
        /// The smallest timestep that counts.
        min_timestep: usize,
        /// The largest timestep that counts, if there is one.
        max_timestep: Option<usize>,
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

fn range(min_timestep: usize, max_timestep: Option<usize>) -> String {
    match max_timestep {
        Some(max_timestep) => format!("from `{min_timestep}` to `{max_timestep}`"),
        None => format!("at least `{min_timestep}`"),
    }
}
