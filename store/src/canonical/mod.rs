//! Canonical values: what keys are derived from.
//!
//! A key must be the same on every host, in every version and however a configuration was spelled, so it is derived
//! from a [`Value`] by one deterministic encoding. The same value is kept as readable JSON, so that two keys can be
//! explained by comparing their preimages.

mod difference;
mod encode;
mod from_serialize;
mod readable;
mod value;

pub use difference::{Difference, differences};
pub use encode::encode;
pub use value::{CanonicalError, Value};
