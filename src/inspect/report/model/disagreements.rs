//! Candidates about which columns say opposite things.

use serde::Serialize;

use super::{ModelLabel, Origin, Picture};

/// The candidates of a pool that two columns rank most differently within their prompt.
#[derive(Serialize)]
pub(crate) struct Disagreements {
    pub(crate) origin: Origin,
    pub(crate) model: ModelLabel,
    /// Those whose ranks differ most first.
    pub(crate) candidates: Vec<Disagreement>,
}

/// A candidate, and the two columns that rank it most differently.
#[derive(Serialize)]
pub(crate) struct Disagreement {
    pub(crate) prompt: String,
    pub(crate) seed_index: u32,
    /// Candidates of its prompt.
    pub(crate) of: usize,
    pub(crate) picture: Picture,
    pub(crate) sides: [RankedValue; 2],
}

/// What one column says of a candidate.
#[derive(Serialize)]
pub(crate) struct RankedValue {
    pub(crate) column: String,
    pub(crate) value: f64,
    /// Its place within its prompt, from 1 for the best; equal ones share the mean of their places.
    pub(crate) rank: f64,
}
