//! How many images are aligned, by model.

use serde::Serialize;

use super::{Interval, ModelLabel, Origin, ShareTable};

/// How many images are aligned.
#[derive(Serialize)]
pub(crate) struct Alignment {
    /// How often the reader of pixels is right by itself.
    pub(crate) reader: Vec<ReaderCheck>,
    /// Those that nothing was selected from first.
    pub(crate) groups: Vec<AlignmentGroup>,
}

/// How often the reader of pixels is right on images whose content is known.
#[derive(Serialize)]
pub(crate) struct ReaderCheck {
    pub(crate) images: u64,
    pub(crate) right: f64,
    /// Width in pixels of the blur that the images were given; 0 for none.
    pub(crate) blur: f32,
    /// Noise that they were given.
    pub(crate) noise: f32,
}

/// Evaluations of the same prompts and seed indices.
#[derive(Serialize)]
pub(crate) struct AlignmentGroup {
    /// The stage that gave the prompts.
    pub(crate) prompts_from: Option<Origin>,
    pub(crate) prompts: u64,
    pub(crate) images: u64,
    /// Whether nothing was selected from these images, so that no adapter was trained on their prompts' images.
    pub(crate) held_out: bool,
    /// Name of the control arm, if an entry has a difference to it.
    pub(crate) control: Option<String>,
    pub(crate) confidence: f64,
    /// The base first, then by round.
    pub(crate) entries: Vec<AlignmentEntry>,
    /// Shares of images that are right in one respect.
    pub(crate) attributes: ShareTable,
    /// None where there is nothing to follow over rounds.
    pub(crate) rounds: Option<Rounds>,
    /// Arms that were repeated with other seeds, by round.
    pub(crate) over_seeds: Vec<OverSeeds>,
}

/// One evaluation.
#[derive(Serialize)]
pub(crate) struct AlignmentEntry {
    pub(crate) model: ModelLabel,
    pub(crate) origin: Origin,
    /// Share of aligned images.
    pub(crate) aligned: Option<Interval>,
    pub(crate) to_base: Option<Interval>,
    pub(crate) to_control: Option<Interval>,
}

/// Alignment from round to round.
#[derive(Serialize)]
pub(crate) struct Rounds {
    /// 0 where the base is known, which all arms begin with.
    pub(crate) first: u32,
    pub(crate) last: u32,
    /// In the order of their first appearance.
    pub(crate) arms: Vec<ArmCurve>,
    /// Models that are in no round.
    pub(crate) left_out: usize,
}

/// One arm over the rounds.
#[derive(Serialize)]
pub(crate) struct ArmCurve {
    pub(crate) arm: String,
    pub(crate) points: Vec<RoundPoint>,
}

/// One arm after one round.
#[derive(Serialize)]
pub(crate) struct RoundPoint {
    pub(crate) round: u32,
    pub(crate) aligned: Option<Interval>,
    pub(crate) to_base: Option<Interval>,
}

/// An arm in one round, over all its seeds; intervals resample prompts and seeds.
#[derive(Serialize)]
pub(crate) struct OverSeeds {
    /// Values of the arm without its seed, joined.
    pub(crate) arm: String,
    pub(crate) round: u32,
    pub(crate) seeds: Vec<SeedShare>,
    pub(crate) aligned: Option<Interval>,
    pub(crate) to_base: Option<Interval>,
    /// Difference to the control arm of the same seed.
    pub(crate) to_control: Option<Interval>,
}

/// The share of aligned images with one seed.
#[derive(Serialize)]
pub(crate) struct SeedShare {
    pub(crate) seed: String,
    pub(crate) aligned: f64,
}
