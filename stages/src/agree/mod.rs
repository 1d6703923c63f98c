//! The stage `agree`: how far columns of numbers about the same candidates agree, and what choosing by one is worth to
//! another.

mod config;
mod measure;
mod pools;
mod report;
mod run;
#[cfg(test)]
mod tests;

pub use config::AgreeConfig;
pub use report::{AgreementReport, BestOfNCurve, BestOfNPoint, ColumnAgreement, RandomChoice};
