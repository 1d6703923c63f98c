//! The denoiser of Stable Diffusion 1.x, 2.x and XL, `UNet2DConditionModel` of diffusers.
//!
//! Fields are named as diffusers names its parameters, so that a weight's path here is its name in
//! a file. The exceptions are [`PARAMETER_RENAMES`] and, for shapes,
//! [`UNet2DConditionConfig::stored_shape`]. Inside the network images are `[batch, height, width,
//! channels]`, see [`kernels`](crate::nn::kernels); the network itself takes and gives diffusers' order.

mod attention_recording;
mod blocks;
mod config;
mod config_json;
mod denoise;
mod feed_forward;
mod forward_operations;
#[cfg(test)]
mod golden_tests;
mod model;
mod resnet;
mod time_embedding;
mod transformer;

pub use attention_recording::{AttentionRecorder, AttentionRecording};
pub use blocks::{Condition, DownBlock, MidBlock, UpBlock};
pub use config::{TextTimeAddition, UNet2DConditionConfig, UNetConfigError};
pub use feed_forward::{FeedForward, FeedForwardLayers, GeGlu};
pub use model::UNet2DConditionModel;
pub use resnet::{ResnetBlock2D, ResnetShape};
pub use time_embedding::{TimestepEmbedding, Timesteps};
pub use transformer::{BasicTransformerBlock, Transformer2DModel, TransformerShape};

/// Parts of a parameter's path here, and what diffusers calls them, for a
/// [`NameTable`](crate::nn::weights::NameTable).
///
/// diffusers numbers the layers of a feed-forward with a gap, because its dropout counts; a list
/// of fields cannot.
pub const PARAMETER_RENAMES: &[(&str, &str)] = &[("net.gate", "net.0"), ("net.output", "net.2")];
