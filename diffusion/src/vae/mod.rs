//! The variational autoencoder between pixels and latents, as diffusers' `AutoencoderKL`.

mod attention;
mod autoencoder;
mod config;
mod decode_operations;
mod decoder;
mod encoder;
mod mid_block;
#[cfg(test)]
mod random_tests;
mod resnet;
#[cfg(test)]
mod tests;
mod tiling;

pub use autoencoder::AutoencoderKL;
pub use config::{AutoencoderConfig, AutoencoderConfigError};
pub use tiling::{LARGE, Pieces, Slicing, Tiling};

use crate::nn::weights::NameTable;

/// How an autoencoder's parameters are named in files.
///
/// Files of diffusers before 0.18 spell the attention projections `query`, `key`, `value` and
/// `proj_attn`.
pub const AUTOENCODER_NAMES: NameTable<'static> = NameTable {
    rename: &[],
    former: &[
        ("to_q", "query"),
        ("to_k", "key"),
        ("to_v", "value"),
        ("to_out.0", "proj_attn"),
    ],
    ignored: &[],
};
