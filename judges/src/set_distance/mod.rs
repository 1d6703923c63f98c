//! How far apart two sets of images are, and how much the images of one set differ.
//!
//! Everything here is a function of feature rows, one row of f32 per image, wherever they come from: Inception for
//! FID, DINOv2 for FD-DINO, image embeddings of CLIP for CMMD. Sums are in f64. What would be no number - a covariance
//! of one image, features that are not finite - is an error.

mod cholesky;
mod diversity;
mod error;
mod feature_moments;
mod feature_rows;
mod frechet;
#[cfg(test)]
mod golden_tests;
mod kernel_distance;
mod matrix;
mod resampling;
mod singular_values;
mod watch;

pub use diversity::{Diversity, diversity};
pub use error::SetDistanceError;
pub use feature_moments::FeatureMoments;
pub use feature_rows::FeatureRows;
pub use frechet::{Gaussian, frechet_distance, resampled_frechet_distance};
pub use kernel_distance::KernelDistance;
pub use matrix::Matrix;
pub use resampling::{Resampling, ResamplingError, SetEstimate};
pub use watch::Watch;
