//! The stage `pair`: candidates of a prompt of which one is preferred by a score, for objectives that compare them.

mod config;
mod largest_differences;
mod pairing;
mod rows;
mod stage;
#[cfg(test)]
mod tests;

pub use config::{PairConfig, PairingConfig};
pub use pairing::Pairing;
