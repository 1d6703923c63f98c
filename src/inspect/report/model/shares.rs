//! Shares of images by model, whatever the columns are.

use serde::Serialize;

use super::{Interval, ModelLabel};

/// Shares of images by model.
#[derive(Serialize)]
pub(crate) struct ShareTable {
    /// Words of the columns, in the order of the cells of each row.
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<ShareRow>,
}

/// The shares of one model.
#[derive(Serialize)]
pub(crate) struct ShareRow {
    pub(crate) model: ModelLabel,
    pub(crate) cells: Vec<ShareCell>,
}

/// A share and its paired difference to the base.
#[derive(Serialize)]
pub(crate) struct ShareCell {
    pub(crate) share: Option<Interval>,
    pub(crate) to_base: Option<Interval>,
}

/// How the images of one set fail; columns are the kinds of failure that occur.
#[derive(Serialize)]
pub(crate) struct FailureTable {
    /// Whether nothing was selected from these images.
    pub(crate) held_out: bool,
    /// Here fewer is better.
    pub(crate) shares: ShareTable,
}
