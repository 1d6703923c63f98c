//! What a report says: plain numbers and words, one struct for each section.

mod agreements;
mod alignment;
mod comparisons;
mod costs;
mod curves;
mod disagreements;
mod distributions;
mod forgetting;
mod interval;
mod judgements;
mod pictures;
mod provenance;
mod scores;
mod sets;
mod shares;
mod summary;

use serde::Serialize;

pub(crate) use agreements::{AgreedColumns, AgreedPair, ChooserCurve, ChosenOf, JudgedChoices};
pub(crate) use alignment::{
    Alignment, AlignmentEntry, AlignmentGroup, ArmCurve, OverSeeds, ReaderCheck, RoundPoint, Rounds,
    SeedShare,
};
pub(crate) use comparisons::{ComparedArm, ComparedColumn, ComparedGroup};
pub(crate) use costs::{ArmCost, ArmCosts};
pub(crate) use curves::{LossCurve, LossPoint, Trace, TraceBand, Traces};
pub(crate) use disagreements::{Disagreement, Disagreements, RankedValue};
pub(crate) use distributions::{DistributionArm, JudgedDistribution, Quantiles};
pub(crate) use forgetting::{Forgetting, ForgettingArm, ForgettingCell};
pub(crate) use interval::{Interval, Side};
pub(crate) use judgements::{ImageJudgement, Said};
pub(crate) use pictures::{
    Extreme, Extremes, ExtremesOfPrompt, Gallery, GalleryCandidate, GalleryPrompt, Picture, SideBySide,
    SideBySidePrompt, Verdict,
};
pub(crate) use provenance::{InputFacts, OutputFacts, ResultFacts, StageFacts};
pub(crate) use scores::{Agreement, MeasuredScore, PoolScores, Scores, TimestepTerm, Timesteps};
pub(crate) use sets::{MeasuredDiversity, MeasuredSet, MeasuredSets};
pub(crate) use shares::{FailureTable, ShareCell, ShareRow, ShareTable};
pub(crate) use summary::{Headline, HeadlineModel, RunSummary};

/// Everything a report says; a section that the run has no data for is none or empty.
#[derive(Serialize)]
pub(crate) struct Report {
    pub(crate) title: String,
    pub(crate) run: RunSummary,
    pub(crate) headline: Option<Headline>,
    pub(crate) notes: Vec<Note>,
    pub(crate) alignment: Option<Alignment>,
    /// How images fail, one table for each set of images; those that nothing was selected from first.
    pub(crate) failures: Vec<FailureTable>,
    /// Arms compared by any column of numbers, one for each stage that does it.
    pub(crate) comparisons: Vec<ComparedColumn>,
    /// What the compared arms took, once for each set of arms.
    pub(crate) costs: Vec<ArmCosts>,
    /// Columns about the same candidates, one for each stage that measures their agreement.
    pub(crate) agreements: Vec<AgreedColumns>,
    /// How the numbers of judges lie, one for each of their columns.
    pub(crate) distributions: Vec<JudgedDistribution>,
    pub(crate) disagreements: Option<Disagreements>,
    /// Arms tuned on one group of prompts and tested on all, one for each comparison of such arms.
    pub(crate) forgetting: Vec<Forgetting>,
    /// Distances and diversity of whole sets of images, one for each stage that measures them.
    pub(crate) sets: Vec<MeasuredSets>,
    pub(crate) side_by_side: Option<SideBySide>,
    pub(crate) scores: Option<Scores>,
    pub(crate) gallery: Option<Gallery>,
    pub(crate) extremes: Option<Extremes>,
    pub(crate) traces: Option<Traces>,
    pub(crate) losses: Vec<LossCurve>,
    /// In the order in which they ran.
    pub(crate) stages: Vec<StageFacts>,
}

/// Which model made an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ModelLabel {
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
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Origin {
    pub(crate) name: String,
    /// Names the stage among those of the report.
    pub(crate) anchor: String,
}

/// Something a reader should know.
#[derive(Serialize)]
pub(crate) struct Note {
    pub(crate) origin: Option<Origin>,
    pub(crate) text: String,
}
