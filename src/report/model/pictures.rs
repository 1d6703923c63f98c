//! Images with what belongs to them.

use super::{ModelLabel, Origin};

/// Candidates of a few prompts with their scores.
pub(in crate::report) struct Gallery {
    pub(in crate::report) origin: Origin,
    pub(in crate::report) model: ModelLabel,
    /// Names of the scores, in the order of `scores` of each candidate.
    pub(in crate::report) scores: Vec<String>,
    /// Position of the score by which candidates are ordered.
    pub(in crate::report) sorted_by: usize,
    /// Prompts of the whole pool.
    pub(in crate::report) prompts_in_all: usize,
    pub(in crate::report) prompts: Vec<GalleryPrompt>,
    /// Pools whose candidates are not shown.
    pub(in crate::report) other_pools: usize,
}

/// Candidates of one prompt, the best first.
pub(in crate::report) struct GalleryPrompt {
    pub(in crate::report) text: String,
    /// Candidates between the best and the worst that are not shown.
    pub(in crate::report) left_out: usize,
    pub(in crate::report) candidates: Vec<GalleryCandidate>,
    /// For each score, the candidates it puts first and last.
    pub(in crate::report) extremes: Vec<Option<[Extreme; 2]>>,
}

/// A candidate at an end of a ranking.
pub(in crate::report) struct Extreme {
    pub(in crate::report) seed_index: u32,
    pub(in crate::report) score: f64,
    pub(in crate::report) picture: Picture,
}

/// One candidate.
pub(in crate::report) struct GalleryCandidate {
    pub(in crate::report) seed_index: u32,
    /// Its place among the candidates of its prompt, from 1 for the best.
    pub(in crate::report) rank: usize,
    pub(in crate::report) scores: Vec<Option<f64>>,
    /// The arms that selected it, if any did; empty for a selection without arms.
    pub(in crate::report) selected_by: Option<Vec<String>>,
    pub(in crate::report) picture: Picture,
}

/// An image and what was read off it.
#[derive(Clone)]
pub(in crate::report) struct Picture {
    pub(in crate::report) png: Vec<u8>,
    pub(in crate::report) width: u32,
    pub(in crate::report) height: u32,
    pub(in crate::report) verdict: Option<Verdict>,
}

/// What an evaluation says of an image.
#[derive(Clone)]
pub(in crate::report) struct Verdict {
    pub(in crate::report) aligned: bool,
    pub(in crate::report) reading: String,
}

/// Images of several models for the same prompts and seed indices.
pub(in crate::report) struct SideBySide {
    pub(in crate::report) models: Vec<(ModelLabel, Origin)>,
    /// Tuned models with images of these prompts that are not shown: those of earlier rounds, and those too many.
    pub(in crate::report) other_models: usize,
    /// Other tables of prompts for which models could be compared.
    pub(in crate::report) other_tables: usize,
    pub(in crate::report) prompts_in_all: usize,
    pub(in crate::report) prompts: Vec<SideBySidePrompt>,
}

/// Images of one prompt.
pub(in crate::report) struct SideBySidePrompt {
    pub(in crate::report) text: String,
    pub(in crate::report) seed_indices: Vec<u32>,
    /// One row for each model, one picture for each seed index.
    pub(in crate::report) rows: Vec<Vec<Picture>>,
}
