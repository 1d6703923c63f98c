//! Columns of numbers, compared over arms.

use serde::Serialize;

use super::{Interval, Origin};

/// What a stage found when it compared arms by a column.
#[derive(Serialize)]
pub(crate) struct ComparedColumn {
    pub(crate) origin: Origin,
    /// The name of the column.
    pub(crate) column: String,
    /// The column of prompts by which arms were measured too, if there is one.
    pub(crate) group_by: Option<String>,
    /// The groups of any arm, in their order.
    pub(crate) groups: Vec<String>,
    pub(crate) confidence: f64,
    /// What the arms are compared with, if there is anything.
    pub(crate) baseline: Option<ComparedArm>,
    /// In the order of the pipeline.
    pub(crate) arms: Vec<ComparedArm>,
}

/// The images of one arm.
#[derive(Serialize)]
pub(crate) struct ComparedArm {
    pub(crate) name: String,
    pub(crate) images: u64,
    pub(crate) mean: Option<Interval>,
    /// Paired difference from the baseline.
    pub(crate) difference: Option<Interval>,
    /// Share of images with a higher number than the same image of the baseline, an equal one counting half.
    pub(crate) wins: Option<Interval>,
    /// In the order of the groups of the comparison.
    pub(crate) groups: Vec<ComparedGroup>,
}

/// The images of one arm whose prompts are in one group.
#[derive(Serialize)]
pub(crate) struct ComparedGroup {
    pub(crate) mean: Option<Interval>,
    /// Paired difference from the baseline.
    pub(crate) difference: Option<Interval>,
    /// The win rate against the baseline.
    pub(crate) wins: Option<Interval>,
}
