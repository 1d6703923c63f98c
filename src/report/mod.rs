//! The report of a run: one HTML file that needs nothing else, made from what the store holds.
//!
//! `collect` follows the run from stage to stage and reads the tables into a typed [`model`]; `page` turns that into
//! HTML. Numbers are taken or computed here, never in the page, and each carries the stage it comes from.

mod collect;
mod error;
#[cfg(test)]
mod fixture;
mod model;
mod options;
mod page;
#[cfg(test)]
mod tests;

use mitune_store::{RunRecord, Store};

pub use error::ReportError;
pub use options::{Decoder, LatentImage, ReportOptions};

/// Writes the report of a run as one HTML page without references to other files.
///
/// The page is a function of the run, the store and the options: no clock, no randomness. Sections for which the run
/// has no data are left out.
///
/// # Errors
/// [`ReportError`] if a result that the run names is missing, damaged or not what its stage promises.
pub fn write_report(
    store: &Store,
    run: &RunRecord,
    options: ReportOptions<'_>,
) -> Result<String, ReportError> {
    Ok(page::page(&collect::collect(store, run, options)?))
}
