//! What can go wrong when latents are scored.

use thiserror::Error;

use crate::denoiser::DenoiserError;
use crate::mutual_information::MutualInformationError;
use crate::schedule::ScheduleError;

/// Scores that cannot be computed.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum ForwardScoreError {
    /// Timesteps that cannot be spread as asked.
    #[error("`{count}` timesteps cannot be spread from `{first}` to `{last}`")]
    Spread {
        /// How many were asked for.
        count: usize,
        /// The smallest one.
        first: usize,
        /// The largest one.
        last: usize,
    },
    /// No noise was asked for.
    #[error("At least one noise per timestep is needed")]
    NoNoise,
    /// The timesteps do not fit the schedule.
    #[error("The timesteps do not fit the noise schedule")]
    Schedule(#[from] ScheduleError),
    /// The scores in nats cannot be built.
    #[error("Mutual information cannot be estimated at these timesteps")]
    MutualInformation(#[source] MutualInformationError),
    /// The denoiser does not answer.
    #[error("The denoiser does not answer")]
    Denoiser(#[from] DenoiserError),
    /// A weight or a conversion is not finite.
    #[error("Timestep `{timestep}` is singular for this model and mode")]
    Singular {
        /// The timestep.
        timestep: usize,
    },
    /// Prompts and latents that do not go together.
    #[error("`{contexts}` contexts were given for `{latents}` latents")]
    Contexts {
        /// How many contexts were given.
        contexts: usize,
        /// How many latents were given.
        latents: usize,
    },
    /// A score that is not a number.
    #[error("The scores of latent `{row}` are not finite")]
    NotFinite {
        /// The latent's row in the batch.
        row: usize,
    },
    /// The device failed to hand back a result.
    #[error("The device failed: {reason}")]
    Device {
        /// What the device said.
        reason: String,
    },
    /// The caller asked to stop.
    #[error("The scoring was cancelled")]
    Cancelled,
}
