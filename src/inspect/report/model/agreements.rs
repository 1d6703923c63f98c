//! Columns about the same candidates, and how far they agree.

use serde::Serialize;

use super::{Interval, Origin};

/// What a stage found when it compared columns about the same candidates.
#[derive(Serialize)]
pub(crate) struct AgreedColumns {
    pub(crate) origin: Origin,
    pub(crate) prompts: u64,
    pub(crate) candidates: u64,
    /// The ranks by the first column that were looked at; empty for all candidates.
    pub(crate) ranks: Vec<u32>,
    /// The first column.
    pub(crate) ranked_by: String,
    /// Columns in which lower numbers are better.
    pub(crate) lower_is_better: Vec<String>,
    pub(crate) confidence: f64,
    pub(crate) pairs: Vec<AgreedPair>,
    pub(crate) judges: Vec<JudgedChoices>,
}

/// Two columns.
#[derive(Serialize)]
pub(crate) struct AgreedPair {
    pub(crate) first: String,
    pub(crate) second: String,
    /// Kendall's tau within a prompt.
    pub(crate) tau_a: Option<Interval>,
    pub(crate) tau_b: Option<Interval>,
    /// Kendall's tau-b over all candidates, whatever their prompts.
    pub(crate) overall: Option<f64>,
    /// Share of prompts with the same best candidate, beside that of two random choices.
    pub(crate) same_best: Option<Interval>,
}

/// What choices by other columns are worth to one.
#[derive(Serialize)]
pub(crate) struct JudgedChoices {
    /// The column that judges.
    pub(crate) judge: String,
    /// The expected value of a random choice.
    pub(crate) random: Option<Interval>,
    pub(crate) choosers: Vec<ChooserCurve>,
}

/// The best of n candidates by one column, judged by another.
#[derive(Serialize)]
pub(crate) struct ChooserCurve {
    pub(crate) chooser: String,
    pub(crate) points: Vec<ChosenOf>,
}

/// One point of such a curve.
#[derive(Clone, Copy, Serialize)]
pub(crate) struct ChosenOf {
    pub(crate) n: u64,
    pub(crate) value: Interval,
    /// Paired difference from a random choice.
    pub(crate) gain: Interval,
}
