//! DINOv2, as transformers' `Dinov2Model`, whose class tokens FD-DINO compares (Exposing flaws of generative model
//! evaluation metrics, arXiv 2306.04675).

mod config;
mod encoder_layer;
mod error;
mod model;
mod position_grid;
#[cfg(test)]
mod tests;

pub use config::DinoConfig;
pub use error::DinoError;
pub use model::DinoModel;
pub use position_grid::{DinoSettings, PositionInterpolation};
