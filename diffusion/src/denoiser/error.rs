//! Why a denoiser does not answer.

use thiserror::Error;

/// A question that a denoiser refuses, or an answer that guidance cannot be made of.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DenoiserError {
    /// Attention maps are wanted of a denoiser that does not hand them out.
    #[error("This denoiser does not hand out attention maps")]
    NoAttentionMaps,
    /// Attention maps are wanted of layers that the denoiser does not have for such latents.
    #[error("No attention layer of the denoiser has a kind and a resolution that maps are wanted of")]
    NoSuchAttention,
    /// A part of the conditioning that the denoiser reads is absent, or one that it does not read is there.
    #[error("The conditioning does not fit the denoiser: {reason}")]
    Conditioning {
        /// What is wrong.
        reason: &'static str,
    },
    /// The answers with and without a prompt are wanted of a denoiser that gives only one.
    #[error("This denoiser gives no answers with and without the prompt, which scores compare")]
    NoBranches,
    /// Nothing of what guides depends on the latents.
    #[error("What guides has no gradient with respect to the latents")]
    NoGradient,
    /// The device failed to hand back what guidance decides by.
    #[error("The device failed: {reason}")]
    Device {
        /// What the device said.
        reason: String,
    },
}
