//! What `inspect` knows as HTML pages.
//!
//! A page holds everything it needs in one file, and computes nothing: it writes numbers for people and lays them out.

pub(crate) mod report;
