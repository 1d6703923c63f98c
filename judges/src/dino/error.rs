//! What can be wrong with a DINOv2.

use mitune_diffusion::nn::weights::WeightsError;

/// A DINOv2 that cannot be built or loaded.
#[derive(Debug, thiserror::Error)]
pub enum DinoError {
    /// No network can be built of the configuration.
    #[error("No DINOv2 can be built: {reason}")]
    Configuration {
        /// Why not.
        reason: String,
    },
    /// The weights do not fit.
    #[error(transparent)]
    Weights(#[from] WeightsError),
}
