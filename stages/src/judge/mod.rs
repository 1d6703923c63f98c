//! The stage `judge`: what judges of images say of finished candidates, or of given images, and their prompts.
//!
//! [`given_pairs`] asks a judge about images of any origin, [`image_sets`] how far apart two folders of images are, both
//! without a pipeline.

mod candidates;
mod column_meanings;
mod config;
#[cfg(test)]
mod given_images_tests;
pub mod given_pairs;
pub mod image_sets;
mod joined;
mod listed_pairs;
mod rows;
mod run;
#[cfg(test)]
mod several_tests;
mod source;
#[cfg(test)]
mod tests;

pub use column_meanings::{ColumnMeaning, column_meanings};
pub use config::JudgeConfig;
