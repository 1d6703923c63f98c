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
mod gelu;
mod group_norm;
mod heads;
#[cfg(feature = "kernels")]
mod instructions;
mod join_channels;
mod layer_norm;
mod linear;
mod low_rank;
mod matrix_product;
mod pool2d;
#[cfg(feature = "kernels")]
mod product;
mod row_norms;
#[cfg(feature = "kernels")]
mod slices;
mod sum_type;
#[cfg(feature = "kernels")]
mod tape;
#[cfg(all(test, feature = "kernels"))]
mod tests;

pub use attention::{attention, joined_attention};
pub use channel_order::{channels_first, channels_last};
pub use column_affine::column_affine;
pub use conv2d::{RectangularWindow, Window, conv2d, conv2d_relu};
pub use gated_gelu::gated_gelu;
pub use gelu::{Activation, gelu, quick_gelu};
pub use group_norm::{GroupNormOptions, group_norm};
pub use heads::{join_heads, split_heads};
pub use join_channels::join_channels;
pub use layer_norm::layer_norm;
pub use linear::{linear, linear_activated};
pub use low_rank::{LowRank, low_rank_linear};
pub use matrix_product::matrix_product;
pub use pool2d::{PoolWindow, Pooling, pool2d};
pub use row_norms::row_norms;
pub use sum_type::sum_type;
