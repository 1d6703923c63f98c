//! The stage `compare`: any column of numbers about candidates, arm by arm and against a baseline.

mod column;
mod config;
#[cfg(test)]
mod group_tests;
mod groups;
mod pairs;
mod report;
mod run;
#[cfg(test)]
mod tests;

pub use config::CompareConfig;
pub use report::{Arm, ArmDifference, ArmGroup, ColumnComparison};
