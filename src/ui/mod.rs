//! What the user sees: data on standard output, everything else on standard error, all through [`output`].

mod bar;
mod counter;
mod output;
mod printable;
mod progress;
mod readable;
mod table;
mod transfer;

pub(crate) use output::{line, print, print_json, print_usage, remark};
pub(crate) use printable::is_obeyed;
pub(crate) use progress::RunDisplay;
pub(crate) use readable::{bytes, duration, moment};
pub(crate) use table::Table;
pub(crate) use transfer::TransferDisplay;
