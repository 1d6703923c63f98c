//! What the user sees: data on standard output, everything else on standard error.

mod counter;
mod output;
mod progress;
mod readable;
mod table;
mod transfer;

pub(crate) use output::{line, print, print_json};
pub(crate) use progress::RunDisplay;
pub(crate) use readable::{bytes, duration, moment};
pub(crate) use table::Table;
pub(crate) use transfer::TransferDisplay;
