//! Estimates with intervals and the power of a score to rank; pure functions over slices, in f64.

pub mod auc;
pub mod best_of_n;
pub mod bootstrap;
mod crossed;
pub mod kendall;
mod knight;
pub mod paired;
pub mod ranking;
