//! What is known of the stages of a run, where every number comes from.

use mitune_store::Timestamp;
use serde::Serialize;

use super::Origin;
use crate::engine::Outcome;

/// What is known of a stage key of the run.
#[derive(Serialize)]
pub(crate) struct StageFacts {
    pub(crate) anchor: String,
    /// The stages of the pipeline that have this key; one name but for arms that do the same.
    pub(crate) names: Vec<String>,
    pub(crate) key: String,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) seconds: Option<f64>,
    /// None for a stage without a result.
    pub(crate) result: Option<ResultFacts>,
}

/// What is known of a stage's result.
#[derive(Serialize)]
pub(crate) struct ResultFacts {
    pub(crate) kind: String,
    pub(crate) revision: u32,
    pub(crate) cost_seconds: f64,
    pub(crate) computed: Timestamp,
    pub(crate) producer: String,
    pub(crate) outputs: Vec<OutputFacts>,
    pub(crate) inputs: Vec<InputFacts>,
    pub(crate) metrics: Vec<(String, String)>,
    /// What the key was derived from, as JSON.
    pub(crate) settings: String,
}

/// An artifact that a stage yielded.
#[derive(Serialize)]
pub(crate) struct OutputFacts {
    pub(crate) port: String,
    pub(crate) kind: &'static str,
    pub(crate) rows: Option<u64>,
    pub(crate) bytes: u64,
    pub(crate) content: String,
}

/// Something that a stage read.
#[derive(Serialize)]
pub(crate) struct InputFacts {
    pub(crate) port: String,
    pub(crate) content: String,
    /// The stage it came from, unless it came from outside the store.
    pub(crate) origin: Option<Origin>,
}
