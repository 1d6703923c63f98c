//! What was measured on evaluated images.

use mitune_stages::evaluation::agreement::ScoreAgreement;
use mitune_stages::evaluation::comparison::Comparison;
use mitune_stages::evaluation::power::ScorePower;
use mitune_stages::evaluation::summary::EvaluationSummary;
use mitune_stages::evaluation::timesteps::TimestepPower;
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
    /// Arms that were repeated with other seeds, by round.
    pub(in crate::report) over_seeds: Vec<OverSeeds>,
}

/// An arm in one round, over all its seeds; intervals resample prompts and seeds.
pub(in crate::report) struct OverSeeds {
    /// Values of the arm without its seed, joined.
    pub(in crate::report) arm: String,
    pub(in crate::report) round: u32,
    pub(in crate::report) seeds: Vec<SeedShare>,
    pub(in crate::report) aligned: Option<Estimate>,
    pub(in crate::report) to_base: Option<Estimate>,
    /// Difference to the control arm of the same seed.
    pub(in crate::report) to_control: Option<Estimate>,
}

/// The share of aligned images with one seed.
pub(in crate::report) struct SeedShare {
    pub(in crate::report) seed: String,
    pub(in crate::report) aligned: f64,
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
    /// The power of every timestep of scores whose terms are kept.
    pub(in crate::report) timesteps: Vec<TimestepPower>,
}

/// The power of one score.
pub(in crate::report) struct MeasuredScore {
    pub(in crate::report) power: ScorePower,
    /// Kendall's tau-b of score and alignment within a prompt.
    pub(in crate::report) tau: Option<Estimate>,
    pub(in crate::report) origin: Origin,
}
