//! The stage `set_distance`: how far sets of candidates are from a reference, or how much the candidates of a prompt
//! differ.
//!
//! Features are kept image by image under the digest of the image, so that an image that was ever looked at by a network
//! is not looked at again, whichever set it stands in.

mod config;
mod features;
#[cfg(test)]
mod given_images_tests;
mod measure;
mod metric;
mod picture_source;
mod reference_folder;
mod report;
mod run;
mod stage;
#[cfg(test)]
mod tests;

pub use config::SetDistanceConfig;
pub use metric::SetMetric;
pub use report::{SetDiversity, SetMeasurement, SetMetrics};
