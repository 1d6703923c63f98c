//! Guidance: wrappers around a denoiser that change what it says.
//!
//! Each is a [`Denoiser`](crate::denoiser::Denoiser) itself, so that they nest, as in k-diffusion. The
//! innermost is usually [`ClassifierFreeGuidance`]; those around it hand on its
//! [`Branches`](crate::denoiser::Branches), from which mutual information is measured, so that what
//! guides the image is not inside the measure.

mod classifier_free;
mod gradient;
#[cfg(test)]
mod tests;

pub use classifier_free::ClassifierFreeGuidance;
pub(crate) use classifier_free::in_f32;
pub use gradient::{GradientGuidance, Guided};
