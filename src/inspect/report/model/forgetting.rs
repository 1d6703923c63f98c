//! What arms that were tuned on one group of prompts gain there, and lose elsewhere.

use serde::Serialize;

use super::{Interval, Origin};

/// Arms tuned on one group of prompts each, tested on all groups.
#[derive(Serialize)]
pub(crate) struct Forgetting {
    pub(crate) origin: Origin,
    /// The name of the column that arms are tested by.
    pub(crate) column: String,
    /// The column of prompts with the groups.
    pub(crate) group_by: String,
    pub(crate) groups: Vec<String>,
    pub(crate) confidence: f64,
    /// Whether there is something that arms are compared with.
    pub(crate) compared: bool,
    /// The stage that measured how much images of a prompt differ, if one did.
    pub(crate) diversity_from: Option<Origin>,
    /// What the others are compared with first.
    pub(crate) arms: Vec<ForgettingArm>,
}

/// One arm.
#[derive(Serialize)]
pub(crate) struct ForgettingArm {
    pub(crate) name: String,
    /// The position of the only group that it was tuned on; none for the base and arms tuned on several.
    pub(crate) tuned_on: Option<usize>,
    /// In the order of the groups.
    pub(crate) cells: Vec<ForgettingCell>,
    /// Mean cosine distance of the images of a prompt.
    pub(crate) diversity: Option<Interval>,
}

/// One arm on one group.
#[derive(Clone, Copy, Serialize)]
pub(crate) struct ForgettingCell {
    pub(crate) mean: Option<Interval>,
    /// Paired difference from the baseline.
    pub(crate) difference: Option<Interval>,
}
