//! What the report of a run says, made from what the store holds.
//!
//! `collect` follows the run from stage to stage and reads the tables into a typed [`model`] with one struct for each
//! section. Every number is taken or computed here, and each carries the stage it comes from; how numbers are written
//! and laid out is the business of whoever shows them.

mod collect;
mod error;
#[cfg(test)]
pub(crate) mod fixture;
pub(crate) mod model;
mod options;

pub(crate) use collect::collect;
pub(crate) use error::ReportError;
pub(crate) use options::{LatentImage, ReportOptions};
