//! The stage `encode_images`: given images, with their prompts, become latents and pairs that trainings take.
//!
//! Latents are kept image by image under the digest of the image, so that rows that are added encode only the images that
//! are new, and an image in several rows is encoded once. What crops, flips and posterior draw of an image is a function
//! of the seed and of the image, whichever others there are.

mod choice;
mod collect;
mod config;
mod counts;
mod encode;
mod error;
mod fit;
mod item_latents;
mod kept;
mod latent_tables;
mod picture_table;
mod prepare;
mod run;
mod seen_row;
mod stage;
#[cfg(test)]
mod tests;

pub use choice::{BrokenImages, CropPlace, Flip, LatentDraw, Resize, Ties};
pub use config::EncodeImagesConfig;
