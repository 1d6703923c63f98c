//! The operations that decide a denoiser's speed, each as one call.
//!
//! On the CPU device they run as kernels of this crate with hand-written derivatives: composed of
//! tensor operations, a group norm with SiLU takes some fifteen passes over memory and a
//! convolution's derivative several times its arithmetic. On every other device, and for other
//! element types, they are composed of tensor operations, which the device's own compiler fuses.
//! Both ways give the same result up to rounding.
//!
//! Every kernel exists for each [level](crate::cpu_level) of vector instructions.
//!
//! Images are `[batch, height, width, channels]` here and inside the models: it is the order of a
//! transformer's tokens, and the one in which convolutions run on every device.

mod attention;
mod channel_order;
mod column_affine;
#[cfg(feature = "kernels")]
mod column_sums;
mod conv2d;
mod gated_gelu;
mod group_norm;
mod heads;
#[cfg(feature = "kernels")]
mod instructions;
mod layer_norm;
mod linear;
mod low_rank;
mod matrix_product;
#[cfg(feature = "kernels")]
mod product;
mod row_norms;
#[cfg(feature = "kernels")]
mod slices;
#[cfg(feature = "kernels")]
mod tape;
#[cfg(all(test, feature = "kernels"))]
mod tests;

pub use attention::attention;
pub use channel_order::{channels_first, channels_last};
pub use column_affine::column_affine;
pub use conv2d::{Window, conv2d};
pub use gated_gelu::gated_gelu;
pub use group_norm::{GroupNormOptions, group_norm};
pub use heads::{join_heads, split_heads};
pub use layer_norm::layer_norm;
pub use linear::linear;
pub use low_rank::{LowRank, low_rank_linear};
pub use matrix_product::matrix_product;
pub use row_norms::row_norms;
