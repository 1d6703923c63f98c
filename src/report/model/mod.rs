//! What a report says, before it is a page.

mod curves;
mod facts;
mod measures;
mod pictures;

use mitune_stages::evaluate::ReaderCheck;

pub(super) use curves::{LossCurve, LossPoint, Trace, TraceBand};
pub(super) use facts::{InputFacts, OutputFacts, ResultFacts, RunFacts, StageFacts};
pub(super) use measures::{AlignmentEntry, AlignmentGroup, MeasuredScore, OverSeeds, PoolPower, SeedShare};
pub(super) use pictures::{
    Extreme, Gallery, GalleryCandidate, GalleryPrompt, Picture, SideBySide, SideBySidePrompt, Verdict,
};

/// Everything a report says.
pub(in crate::report) struct Report {
    pub(in crate::report) title: String,
    pub(in crate::report) run: RunFacts,
    pub(in crate::report) alignment: Vec<AlignmentGroup>,
    /// How often the reader of pixels is right by itself.
    pub(in crate::report) reader: Vec<ReaderCheck>,
    pub(in crate::report) power: Vec<PoolPower>,
    /// Pools whose scores could be measured but are not, to bound the work.
    pub(in crate::report) pools_left_out: usize,
    pub(in crate::report) gallery: Option<Gallery>,
    pub(in crate::report) side_by_side: Option<SideBySide>,
    pub(in crate::report) traces: Vec<Trace>,
    /// Pools without a chart: too many, or without traces.
    pub(in crate::report) traces_left_out: usize,
    pub(in crate::report) losses: Vec<LossCurve>,
    pub(in crate::report) notes: Vec<Note>,
    pub(in crate::report) stages: Vec<StageFacts>,
}

/// Which model made an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::report) enum ModelLabel {
    /// The model without an adapter.
    Base,
    /// The model with the adapter of a stage.
    Tuned {
        /// The round of that stage, if it is in one.
        round: Option<u32>,
        /// Its arms, values joined; several where arms came to the same adapter; empty without arms.
        arms: Vec<String>,
        /// Its name in the pipeline.
        stage: String,
    },
}

/// A stage that a number comes from.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::report) struct Origin {
    pub(in crate::report) name: String,
    pub(in crate::report) anchor: String,
}

/// Something a reader should know.
pub(in crate::report) struct Note {
    pub(in crate::report) origin: Option<Origin>,
    pub(in crate::report) text: String,
}
