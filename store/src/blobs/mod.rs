//! Blobs: bytes named by their hash, which are looked at before anybody relies on them.

mod condemnation;
mod inspection;
mod length;
mod look;
mod placement;
mod reading;
mod writer;

pub(crate) use self::length::Length;
pub(crate) use self::look::{Doubt, Look};
pub use self::writer::BlobWriter;
