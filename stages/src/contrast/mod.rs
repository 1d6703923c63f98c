//! The stage `contrast`: images with mismatched images and prompts, for objectives that tell matched from mismatched.

mod captions;
mod config;
mod drawn;
mod hard_text;
mod images;
mod nearest_images;
mod other_images;
mod python_list;
mod rows;
mod stage;
#[cfg(test)]
mod tests;

pub use config::{ContrastConfig, NegativeShares};
