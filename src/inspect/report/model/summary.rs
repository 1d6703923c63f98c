//! What ran, and what came of it in short.

use std::collections::BTreeMap;

use mitune_store::{RunStatus, Timestamp};
use serde::Serialize;

use super::{Interval, ModelLabel};

/// What is known of the run as a whole.
#[derive(Serialize)]
pub(crate) struct RunSummary {
    pub(crate) pipeline: String,
    pub(crate) id: String,
    pub(crate) status: RunStatus,
    pub(crate) started: Timestamp,
    pub(crate) ended: Option<Timestamp>,
    /// Versions, devices and number formats that made the results, each once.
    pub(crate) producers: BTreeMap<&'static str, Vec<String>>,
    /// What the program remembered with the run.
    pub(crate) details: Vec<(String, String)>,
    pub(crate) reused: usize,
    pub(crate) computed: usize,
    /// Seconds of computation in results that this run computed, and in those that it found.
    pub(crate) cost_computed: f64,
    pub(crate) cost_reused: f64,
}

/// The answer to the question of the run, from the set of images that answers it best.
#[derive(Serialize)]
pub(crate) struct Headline {
    pub(crate) prompts: u64,
    pub(crate) images: u64,
    /// Whether nothing was selected from these images.
    pub(crate) held_out: bool,
    pub(crate) confidence: f64,
    /// Share of aligned images of the base.
    pub(crate) base: Option<Interval>,
    /// Tuned models of the last round.
    pub(crate) models: Vec<HeadlineModel>,
    /// Tuned models that are not among them.
    pub(crate) others: usize,
}

/// A tuned model of the last round.
#[derive(Serialize)]
pub(crate) struct HeadlineModel {
    pub(crate) model: ModelLabel,
    pub(crate) aligned: Interval,
    pub(crate) to_base: Option<Interval>,
}
