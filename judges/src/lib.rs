//! Judges of images: what a network says of an image and its prompt, and how far apart two sets of images are.
#![recursion_limit = "256"]

pub mod architecture;
pub mod blip;
pub mod blip_judges;
pub mod clip;
pub mod clip_judges;
pub mod dino;
pub mod inception;
pub mod noun_phrases;
pub mod pair_judge;
pub mod picture;
pub mod preprocessing;
pub mod set_distance;
pub mod spatial;
pub mod stylisation;
mod wide_attention;
