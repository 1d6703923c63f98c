//! Inception v3 with the weights of 2015 that FID is defined by, as pytorch-fid carries them (GANs Trained by a Two
//! Time-Scale Update Rule, arXiv 1706.08500).
//!
//! It differs from torchvision's in its pools: means leave padding out, and the last block takes a maximum instead.

mod blocks;
mod convolution;
mod folded_norms;
mod model;
#[cfg(test)]
mod tests;

pub use model::{FEATURES, InceptionConfig, InceptionV3, InputScale};
