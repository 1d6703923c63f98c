//! What can be wrong with a CLIP.

use mitune_diffusion::clip::ClipTextConfigError;
use mitune_diffusion::nn::weights::WeightsError;

/// A CLIP that cannot be built or loaded.
#[derive(Debug, thiserror::Error)]
pub enum ClipError {
    /// The text model's configuration is inconsistent.
    #[error("In `text_config`: {source}")]
    Text {
        /// What is wrong with it.
        source: ClipTextConfigError,
    },
    /// The vision model's configuration is inconsistent.
    #[error("In `vision_config`: {reason}")]
    Vision {
        /// What is wrong with it.
        reason: String,
    },
    /// The weights do not fit.
    #[error(transparent)]
    Weights(#[from] WeightsError),
}
