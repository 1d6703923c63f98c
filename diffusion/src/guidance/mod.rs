//! Guidance: wrappers around a denoiser that change what it says.
//!
//! Each is a [`Denoiser`](crate::denoiser::Denoiser) itself, so that they nest, as in k-diffusion. The
//! innermost is usually [`ClassifierFreeGuidance`], or [`SemanticAwareGuidance`] in its place; those around it
//! hand on its [`Branches`](crate::denoiser::Branches), from which mutual information is measured, so that what
//! guides the image is not inside the measure.
//!
//! Two methods go another way: [`AttendAndExcite`] moves the latents before the denoiser is asked
//! ([`LatentSteering`](crate::sampler::LatentSteering)), and [`structured`] changes what it is told of the prompt.

mod attend_and_excite;
mod attention_peaks;
mod classifier_free;
mod gaussian_smoothing;
#[cfg(test)]
mod golden_tests;
mod gradient;
mod map_resizing;
mod semantic_aware;
mod semantic_regions;
mod structured;
#[cfg(test)]
mod tests;

pub use attend_and_excite::{AttendAndExcite, AttendAndExciteSettings, AttentionThreshold};
pub use classifier_free::ClassifierFreeGuidance;
pub(crate) use classifier_free::in_f32;
pub use gradient::{GradientGuidance, Guided};
pub use semantic_aware::{SemanticAwareGuidance, SemanticAwareSettings};
pub use structured::{PhraseEncoding, StructuredForm, structured};
