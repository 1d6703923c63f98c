//! What was measured on evaluated images.

use mitune_stages::evaluation::agreement::ScoreAgreement;
use mitune_stages::evaluation::comparison::Comparison;
use mitune_stages::evaluation::power::ScorePower;
use mitune_stages::evaluation::summary::EvaluationSummary;
use mitune_stages::statistics::bootstrap::Estimate;

use super::{ModelLabel, Origin};

/// Evaluations of the same prompts and seed indices.
pub(in crate::report) struct AlignmentGroup {
    /// The stage that gave the prompts.
    pub(in crate::report) prompts_from: Option<Origin>,
    pub(in crate::report) prompts: u64,
    pub(in crate::report) images: u64,
    /// Whether nothing was selected from these images, so that no adapter was trained on their prompts' images.
    pub(in crate::report) held_out: bool,
    /// Whether an entry has a difference to the control arm, and that arm's name.
    pub(in crate::report) control: Option<String>,
    pub(in crate::report) confidence: f64,
    /// The base first, then by round.
    pub(in crate::report) entries: Vec<AlignmentEntry>,
}

/// One evaluation.
pub(in crate::report) struct AlignmentEntry {
    pub(in crate::report) model: ModelLabel,
    pub(in crate::report) origin: Origin,
    pub(in crate::report) summary: EvaluationSummary,
    pub(in crate::report) to_base: Option<Comparison>,
    pub(in crate::report) to_control: Option<Estimate>,
}

/// How well scores find aligned images in a pool of candidates.
pub(in crate::report) struct PoolPower {
    pub(in crate::report) model: ModelLabel,
    pub(in crate::report) candidates: Origin,
    pub(in crate::report) evaluation: Origin,
    pub(in crate::report) prompts: u64,
    pub(in crate::report) images: u64,
    pub(in crate::report) confidence: f64,
    pub(in crate::report) scores: Vec<MeasuredScore>,
    pub(in crate::report) agreements: Vec<ScoreAgreement>,
}

/// The power of one score.
pub(in crate::report) struct MeasuredScore {
    pub(in crate::report) power: ScorePower,
    /// Kendall's tau-b of score and alignment within a prompt.
    pub(in crate::report) tau: Option<Estimate>,
    pub(in crate::report) origin: Origin,
}
