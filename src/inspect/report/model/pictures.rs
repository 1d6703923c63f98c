//! Images with what belongs to them.

use serde::Serialize;

use super::{ImageJudgement, ModelLabel, Origin};

/// Candidates of a few prompts with their scores.
#[derive(Serialize)]
pub(crate) struct Gallery {
    pub(crate) origin: Origin,
    pub(crate) model: ModelLabel,
    /// Names of the scores, in the order of `scores` of each candidate.
    pub(crate) scores: Vec<String>,
    /// Position of the score by which candidates are ordered.
    pub(crate) sorted_by: usize,
    /// Prompts of the whole pool.
    pub(crate) prompts_in_all: usize,
    pub(crate) prompts: Vec<GalleryPrompt>,
    /// Pools whose candidates are not shown.
    pub(crate) other_pools: usize,
}

/// Candidates of one prompt, the best first.
#[derive(Serialize)]
pub(crate) struct GalleryPrompt {
    pub(crate) text: String,
    /// Candidates between the best and the worst that are not shown.
    pub(crate) left_out: usize,
    pub(crate) candidates: Vec<GalleryCandidate>,
}

/// The candidates that scores put first and last.
#[derive(Serialize)]
pub(crate) struct Extremes {
    /// Names of the scores, in the order of `ends` of each prompt.
    pub(crate) scores: Vec<String>,
    /// Prompts of the whole pool.
    pub(crate) prompts_in_all: usize,
    pub(crate) prompts: Vec<ExtremesOfPrompt>,
}

/// The candidates of a prompt that scores put first and last.
#[derive(Serialize)]
pub(crate) struct ExtremesOfPrompt {
    pub(crate) text: String,
    /// The first and the last by each score, none where a score has no two candidates.
    pub(crate) ends: Vec<Option<[Extreme; 2]>>,
}

/// A candidate at an end of a ranking.
#[derive(Serialize)]
pub(crate) struct Extreme {
    pub(crate) seed_index: u32,
    pub(crate) score: f64,
    pub(crate) picture: Picture,
}

/// One candidate.
#[derive(Serialize)]
pub(crate) struct GalleryCandidate {
    pub(crate) seed_index: u32,
    /// Its place among the candidates of its prompt, from 1 for the best.
    pub(crate) rank: usize,
    pub(crate) scores: Vec<Option<f64>>,
    /// The arms that selected it, if any did; empty for a selection without arms.
    pub(crate) selected_by: Option<Vec<String>>,
    pub(crate) picture: Picture,
}

/// An image and what was read off it.
#[derive(Clone, Serialize)]
pub(crate) struct Picture {
    /// The bytes of a PNG, in base64.
    pub(crate) png: String,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) verdict: Option<Verdict>,
    /// What judges said of it, column by column.
    pub(crate) judgements: Vec<ImageJudgement>,
}

/// What an evaluation says of an image.
#[derive(Clone, Serialize)]
pub(crate) struct Verdict {
    pub(crate) aligned: bool,
    pub(crate) reading: String,
}

/// Images of several models for the same prompts and seed indices.
#[derive(Serialize)]
pub(crate) struct SideBySide {
    pub(crate) models: Vec<(ModelLabel, Origin)>,
    /// Tuned models with images of these prompts that are not shown: those of earlier rounds, and those too many.
    pub(crate) other_models: usize,
    /// Other tables of prompts for which models could be compared.
    pub(crate) other_tables: usize,
    pub(crate) prompts_in_all: usize,
    pub(crate) prompts: Vec<SideBySidePrompt>,
}

/// Images of one prompt.
#[derive(Serialize)]
pub(crate) struct SideBySidePrompt {
    pub(crate) text: String,
    pub(crate) seed_indices: Vec<u32>,
    /// One row for each model, one picture for each seed index.
    pub(crate) rows: Vec<Vec<Picture>>,
}
