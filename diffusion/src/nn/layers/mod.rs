//! Layers with parameters, named in their fields as diffusers names them in files.
//!
//! Linear layers and convolutions have a place for a low-rank adapter, and [`VisitLayers`] shows them by name to
//! whoever puts one there. Images are `[batch, height, width, channels]`, see [`kernels`](crate::nn::kernels).

mod adaptable_layer;
mod attention;
mod conv2d;
mod key_contexts;
mod linear;
mod low_rank_adapter;
mod norm;
mod resample;
mod visit_layers;

pub use adaptable_layer::{AdaptableLayer, LayerShape};
pub use attention::{Attention, AttentionContext, AttentionShape};
pub use conv2d::Conv2d;
pub use key_contexts::KeyContexts;
pub use linear::{Bias, Linear};
pub use low_rank_adapter::LowRankAdapter;
pub use norm::{GroupNorm, LayerNorm};
pub use resample::{Downsample2D, Upsample2D};
pub use visit_layers::{AdaptTarget, VisitLayers};
