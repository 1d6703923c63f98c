//! What is known of a run and its stages.

use mitune_store::{RunStatus, Timestamp};
use std::collections::BTreeMap;

use super::Origin;
use crate::engine::Outcome;

/// What is known of the run as a whole.
pub(in crate::report) struct RunFacts {
    pub(in crate::report) pipeline: String,
    pub(in crate::report) id: String,
    pub(in crate::report) status: RunStatus,
    pub(in crate::report) started: Timestamp,
    pub(in crate::report) ended: Option<Timestamp>,
    /// Versions, devices and number formats that made the results, each once.
    pub(in crate::report) producers: BTreeMap<&'static str, Vec<String>>,
    /// What the program remembered with the run.
    pub(in crate::report) details: Vec<(String, String)>,
    pub(in crate::report) reused: usize,
    pub(in crate::report) computed: usize,
    /// Seconds of computation in results that this run computed, and in those that it found.
    pub(in crate::report) cost_computed: f64,
    pub(in crate::report) cost_reused: f64,
}

/// What is known of a stage key of the run.
pub(in crate::report) struct StageFacts {
    pub(in crate::report) anchor: String,
    /// The stages of the pipeline that have this key; one name but for arms that do the same.
    pub(in crate::report) names: Vec<String>,
    pub(in crate::report) key: String,
    pub(in crate::report) outcome: Option<Outcome>,
    pub(in crate::report) seconds: Option<f64>,
    /// None for a stage without a result.
    pub(in crate::report) result: Option<ResultFacts>,
}

/// What is known of a stage's result.
pub(in crate::report) struct ResultFacts {
    pub(in crate::report) kind: String,
    pub(in crate::report) revision: u32,
    pub(in crate::report) cost_seconds: f64,
    pub(in crate::report) computed: Timestamp,
    pub(in crate::report) producer: String,
    pub(in crate::report) outputs: Vec<OutputFacts>,
    pub(in crate::report) inputs: Vec<InputFacts>,
    pub(in crate::report) metrics: Vec<(String, String)>,
    /// What the key was derived from, as JSON.
    pub(in crate::report) settings: String,
}

/// An artifact that a stage yielded.
pub(in crate::report) struct OutputFacts {
    pub(in crate::report) port: String,
    pub(in crate::report) kind: &'static str,
    pub(in crate::report) rows: Option<u64>,
    pub(in crate::report) bytes: u64,
    pub(in crate::report) content: String,
}

/// Something that a stage read.
pub(in crate::report) struct InputFacts {
    pub(in crate::report) port: String,
    pub(in crate::report) content: String,
    /// The stage it came from, unless it came from outside the store.
    pub(in crate::report) origin: Option<Origin>,
}
