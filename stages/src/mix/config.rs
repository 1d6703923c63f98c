//! Settings of the stage.

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::contract::reference::Reference;
use crate::plural::plural;

/// Draws rows of several selections into one set to train on, each with its share: synthetic and real images at a stated
/// real fraction, or the selections of several categories.
///
/// Rows of different inputs may have the same prompt and seed index; both are then in the result.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MixConfig {
    /// The selections, or latents of given images; a reference may stand for several.
    pub selections: Vec<Reference>,
    /// The part of the rows of the result that comes of each selection, in their order; together 1.
    pub shares: Vec<f64>,
    /// Rows of the result. By default, as many as the shares allow without repeating a row.
    #[serde(default)]
    pub rows: Option<NonZeroU32>,
    /// Seed of which rows are drawn. By default, the pipeline's seed.
    #[serde(default)]
    pub seed: Option<u64>,
}

/// Why nothing can be mixed.
#[derive(Debug, thiserror::Error)]
pub(super) enum MixError {
    #[error(
        "Nothing to mix: `selections` stands for no stage, expected at least one; name selections that there are"
    )]
    NoSelections,
    #[error(
        "Setting `shares` has {shares} number{} for the {selections} selection{} that `selections` stands for",
        plural(*shares as u64),
        plural(*selections as u64)
    )]
    Count { shares: usize, selections: usize },
    #[error("Setting `shares` has `{0}`, expected a number from 0 to 1")]
    Share(f64),
    #[error("Setting `shares` adds up to {0}, expected 1")]
    Sum(f64),
    #[error(
        "{selection} has {found} row{}, {expected} are needed for {rows} rows with its share of {share}; lower `rows`",
        plural(*found)
    )]
    TooFew {
        selection: String,
        found: u64,
        expected: u64,
        rows: u64,
        share: f64,
    },
    #[error("Nothing to mix: {selection} has {found} row{}, too few for its share of {share}", plural(*found))]
    Nothing {
        selection: String,
        found: u64,
        share: f64,
    },
}

impl MixConfig {
    /// Checks the shares of so many selections.
    pub(super) fn check(&self, selections: usize) -> Result<(), MixError> {
        if selections == 0 {
            return Err(MixError::NoSelections);
        }
        if self.shares.len() != selections {
            return Err(MixError::Count {
                shares: self.shares.len(),
                selections,
            });
        }
        if let Some(share) = self.shares.iter().find(|share| !(0.0..=1.0).contains(*share)) {
            return Err(MixError::Share(*share));
        }
        // Thirds and sevenths are written with a few digits.
        match self.shares.iter().sum::<f64>() {
            sum if (sum - 1.0).abs() > 1e-3 => Err(MixError::Sum(sum)),
            _ => Ok(()),
        }
    }
}
