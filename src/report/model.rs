//! What a report says, before it is a page.

use std::collections::BTreeMap;

use mitune_stages::evaluation::agreement::ScoreAgreement;
use mitune_stages::evaluation::comparison::Comparison;
use mitune_stages::evaluation::power::ScorePower;
use mitune_stages::evaluation::summary::EvaluationSummary;
use mitune_stages::statistics::bootstrap::Estimate;
use mitune_store::{RunStatus, Timestamp};

use crate::engine::Outcome;

/// Everything a report says.
pub(super) struct Report {
    pub(super) title: String,
    pub(super) run: RunFacts,
    pub(super) alignment: Vec<AlignmentGroup>,
    pub(super) power: Vec<PoolPower>,
    /// Pools whose scores could be measured but are not, to bound the work.
    pub(super) pools_left_out: usize,
    pub(super) gallery: Option<Gallery>,
    pub(super) side_by_side: Option<SideBySide>,
    pub(super) traces: Vec<Trace>,
    pub(super) losses: Vec<LossCurve>,
    pub(super) notes: Vec<Note>,
    pub(super) stages: Vec<StageFacts>,
}

/// What is known of the run as a whole.
pub(super) struct RunFacts {
    pub(super) pipeline: String,
    pub(super) id: String,
    pub(super) status: RunStatus,
    pub(super) started: Timestamp,
    pub(super) ended: Option<Timestamp>,
    /// Versions, devices and number formats that made the results, each once.
    pub(super) producers: BTreeMap<&'static str, Vec<String>>,
    /// What the program remembered with the run.
    pub(super) details: Vec<(String, String)>,
    pub(super) reused: usize,
    pub(super) computed: usize,
    /// Seconds of computation in results that this run computed, and in those that it found.
    pub(super) cost_computed: f64,
    pub(super) cost_reused: f64,
}

/// A stage that a number comes from.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Origin {
    pub(super) name: String,
    pub(super) anchor: String,
}

/// What is known of a stage key of the run.
pub(super) struct StageFacts {
    pub(super) anchor: String,
    /// The stages of the pipeline that have this key; one name but for arms that do the same.
    pub(super) names: Vec<String>,
    pub(super) key: String,
    pub(super) outcome: Option<Outcome>,
    pub(super) seconds: Option<f64>,
    /// None for a stage without a result.
    pub(super) result: Option<ResultFacts>,
}

/// What is known of a stage's result.
pub(super) struct ResultFacts {
    pub(super) kind: String,
    pub(super) revision: u32,
    pub(super) cost_seconds: f64,
    pub(super) computed: Timestamp,
    pub(super) producer: String,
    pub(super) outputs: Vec<OutputFacts>,
    pub(super) inputs: Vec<InputFacts>,
    pub(super) metrics: Vec<(String, String)>,
    /// What the key was derived from, as JSON.
    pub(super) settings: String,
}

/// An artifact that a stage yielded.
pub(super) struct OutputFacts {
    pub(super) port: String,
    pub(super) kind: &'static str,
    pub(super) rows: Option<u64>,
    pub(super) bytes: u64,
    pub(super) content: String,
}

/// Something that a stage read.
pub(super) struct InputFacts {
    pub(super) port: String,
    pub(super) content: String,
    /// The stage it came from, unless it came from outside the store.
    pub(super) origin: Option<Origin>,
}

/// Which model made an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ModelLabel {
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

/// Evaluations of the same prompts and seed indices.
pub(super) struct AlignmentGroup {
    /// The stage that gave the prompts.
    pub(super) prompts_from: Option<Origin>,
    pub(super) prompts: u64,
    pub(super) images: u64,
    /// Whether nothing was selected from these images, so that no adapter was trained on their prompts' images.
    pub(super) held_out: bool,
    /// Whether an entry has a difference to the control arm, and that arm's name.
    pub(super) control: Option<String>,
    pub(super) confidence: f64,
    /// The base first, then by round.
    pub(super) entries: Vec<AlignmentEntry>,
}

/// One evaluation.
pub(super) struct AlignmentEntry {
    pub(super) model: ModelLabel,
    pub(super) origin: Origin,
    pub(super) summary: EvaluationSummary,
    pub(super) to_base: Option<Comparison>,
    pub(super) to_control: Option<Estimate>,
}

/// How well scores find aligned images in a pool of candidates.
pub(super) struct PoolPower {
    pub(super) model: ModelLabel,
    pub(super) candidates: Origin,
    pub(super) evaluation: Origin,
    pub(super) prompts: u64,
    pub(super) images: u64,
    pub(super) confidence: f64,
    pub(super) scores: Vec<MeasuredScore>,
    pub(super) agreements: Vec<ScoreAgreement>,
}

/// The power of one score.
pub(super) struct MeasuredScore {
    pub(super) power: ScorePower,
    /// Kendall's tau-b of score and alignment within a prompt.
    pub(super) tau: Option<Estimate>,
    pub(super) origin: Origin,
}

/// Candidates of a few prompts with their scores.
pub(super) struct Gallery {
    pub(super) origin: Origin,
    pub(super) model: ModelLabel,
    /// Names of the scores, in the order of `scores` of each candidate.
    pub(super) scores: Vec<String>,
    /// Position of the score by which candidates are ordered.
    pub(super) sorted_by: usize,
    /// Prompts of the whole pool.
    pub(super) prompts_in_all: usize,
    pub(super) prompts: Vec<GalleryPrompt>,
}

/// Candidates of one prompt, the best first.
pub(super) struct GalleryPrompt {
    pub(super) text: String,
    /// Candidates between the best and the worst that are not shown.
    pub(super) left_out: usize,
    pub(super) candidates: Vec<GalleryCandidate>,
    /// For each score, the candidates it puts first and last.
    pub(super) extremes: Vec<Option<[Extreme; 2]>>,
}

/// A candidate at an end of a ranking.
pub(super) struct Extreme {
    pub(super) seed_index: u32,
    pub(super) score: f64,
    pub(super) picture: Picture,
}

/// One candidate.
pub(super) struct GalleryCandidate {
    pub(super) seed_index: u32,
    /// Its place among the candidates of its prompt, from 1 for the best.
    pub(super) rank: usize,
    pub(super) scores: Vec<Option<f64>>,
    /// Arms that selected it, or the stages where there are no arms.
    pub(super) selected_by: Vec<String>,
    pub(super) picture: Picture,
}

/// An image and what was read off it.
#[derive(Clone)]
pub(super) struct Picture {
    pub(super) png: Vec<u8>,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) verdict: Option<Verdict>,
}

/// What an evaluation says of an image.
#[derive(Clone)]
pub(super) struct Verdict {
    pub(super) aligned: bool,
    pub(super) reading: String,
}

/// Images of several models for the same prompts and seed indices.
pub(super) struct SideBySide {
    pub(super) models: Vec<(ModelLabel, Origin)>,
    pub(super) prompts_in_all: usize,
    pub(super) prompts: Vec<SideBySidePrompt>,
}

/// Images of one prompt.
pub(super) struct SideBySidePrompt {
    pub(super) text: String,
    pub(super) seed_indices: Vec<u32>,
    /// One row for each model, one picture for each seed index.
    pub(super) rows: Vec<Vec<Picture>>,
}

/// The MI of a pool of candidates over the steps of sampling.
pub(super) struct Trace {
    pub(super) model: ModelLabel,
    pub(super) origin: Origin,
    /// The timestep of each step, in the order of sampling: falling.
    pub(super) timesteps: Vec<i32>,
    pub(super) bands: Vec<TraceBand>,
}

/// Quartiles over some of the candidates.
pub(super) struct TraceBand {
    pub(super) name: &'static str,
    pub(super) candidates: usize,
    /// Lower quartile, median and upper quartile at each step.
    pub(super) quartiles: Vec<[f64; 3]>,
}

/// The loss of a training.
pub(super) struct LossCurve {
    pub(super) origin: Origin,
    pub(super) names: Vec<String>,
    pub(super) steps: u64,
    /// Mean of the first and of the last tenth.
    pub(super) first: f64,
    pub(super) last: f64,
    pub(super) points: Vec<LossPoint>,
}

/// Consecutive steps of a training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct LossPoint {
    /// Middle of the steps.
    pub(super) step: f64,
    pub(super) mean: f64,
    pub(super) lowest: f64,
    pub(super) highest: f64,
}

/// Something a reader should know.
pub(super) struct Note {
    pub(super) origin: Option<Origin>,
    pub(super) text: String,
}
