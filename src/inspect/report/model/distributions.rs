//! How the numbers of judges lie, arm by arm.

use serde::Serialize;

use super::{ModelLabel, Origin};

/// One column of numbers that judges filled, over the arms that have it.
#[derive(Serialize)]
pub(crate) struct JudgedDistribution {
    /// The name of the column.
    pub(crate) column: String,
    /// What it means, with its unit.
    pub(crate) meaning: String,
    pub(crate) lower_is_better: bool,
    /// The stage that put these arms side by side, if one did.
    pub(crate) compared_by: Option<Origin>,
    /// What the arms are compared with first, where that is known.
    pub(crate) arms: Vec<DistributionArm>,
    /// Arms that are not shown.
    pub(crate) left_out: usize,
    /// The column of prompts with the groups.
    pub(crate) group_by: String,
    /// Groups of prompts, in the order of `groups` of each arm; empty unless there are at least two.
    pub(crate) groups: Vec<String>,
    /// Groups that are not shown.
    pub(crate) groups_left_out: usize,
}

/// The numbers of one arm.
#[derive(Serialize)]
pub(crate) struct DistributionArm {
    pub(crate) name: String,
    pub(crate) model: Option<ModelLabel>,
    pub(crate) origin: Origin,
    pub(crate) all: Quantiles,
    pub(crate) groups: Vec<Option<Quantiles>>,
}

/// Numbers in short, however many there are.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Quantiles {
    pub(crate) images: u64,
    pub(crate) mean: f64,
    /// Lowest, 5%, 25%, 50%, 75%, 95% and highest.
    pub(crate) values: [f64; 7],
}

impl Quantiles {
    /// Returns the number that half of the others lie below.
    pub(crate) fn median(&self) -> f64 {
        self.values[3]
    }

    /// Returns the ends of the middle half.
    pub(crate) fn middle_half(&self) -> [f64; 2] {
        [self.values[2], self.values[4]]
    }
}
