//! What may move latents before the denoiser is asked about them.

use burn::tensor::Tensor;

use crate::conditioning::Conditioning;
use crate::denoiser::{DenoiserError, NoiseLevel};

/// Moves the latents of a run, such as [Attend-and-Excite](crate::guidance::AttendAndExcite).
///
/// Guidance changes what a denoiser says; steering changes what it is asked about, and the run goes on from there.
pub trait LatentSteering {
    /// Returns the latents that the denoiser is to see instead, on whatever device.
    ///
    /// The latents are those that the denoiser sees, after the factor by which some samplers scale them first; what the
    /// run goes on from is moved by the same amount before that factor, and not at all where nothing changes.
    ///
    /// # Shapes
    /// - latents and result: `[batch, channels, height, width]`, of one float type
    /// - conditioning: one row per latent
    ///
    /// # Errors
    /// [`DenoiserError`] if a denoiser that is asked on the way does not answer.
    fn steer(
        &self,
        step: StepPlace,
        latents: Tensor<4>,
        level: NoiseLevel,
        conditioning: &Conditioning,
    ) -> Result<Tensor<4>, DenoiserError>;
}

/// Which evaluation of a run it is.
///
/// Evaluations are counted, not timesteps: those of PNDM are one more than its steps. Its second one looks ahead from a
/// step that is then gone once more from where the first one began, so that a movement there reaches the run through
/// the denoiser's answer alone, as with diffusers' scheduler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepPlace {
    /// The evaluations before it.
    pub index: usize,
    /// Evaluations of the run.
    pub total: usize,
}
