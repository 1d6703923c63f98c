//! What differs between two runs.

mod adapters;
mod metrics;

use std::collections::BTreeSet;

use mitune_store::{ActionRecord, Difference, Lookup, RunRecord, StageKey, Store, differences};
use serde::Serialize;

use super::key_change::as_key_changes;
use adapters::adapter_distances;
use metrics::metric_changes;

pub(crate) use adapters::AdapterDistance;
pub(crate) use metrics::MetricChange;

/// What differs between two runs.
#[derive(Debug, Serialize)]
pub(crate) struct RunDifference {
    pub(crate) first: RunHead,
    pub(crate) second: RunHead,
    /// In the order of their names.
    pub(crate) stages: Vec<StageDifference>,
}

/// Which run it is.
#[derive(Debug, Serialize)]
pub(crate) struct RunHead {
    pub(crate) run: String,
    pub(crate) pipeline: String,
    pub(crate) started: u64,
}

/// What differs at one stage.
#[derive(Debug, Serialize)]
pub(crate) struct StageDifference {
    pub(crate) name: String,
    pub(crate) state: StageRelation,
    /// Settings and files that differ.
    #[serde(serialize_with = "as_key_changes")]
    pub(crate) parameters: Vec<Difference>,
    /// Ports whose content differs.
    pub(crate) inputs: Vec<String>,
    pub(crate) metrics: Vec<MetricChange>,
    pub(crate) adapters: Vec<AdapterDistance>,
}

/// How a stage of one run relates to that of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StageRelation {
    /// One and the same result.
    Same,
    /// Other settings or inputs, equal content.
    EqualResults,
    /// Another result.
    Changed,
    OnlyFirst,
    OnlySecond,
    /// A record is not in the store any more.
    Unknown,
}

/// Compares two runs stage by stage.
pub(crate) fn compare(store: &Store, first: &RunRecord, second: &RunRecord) -> RunDifference {
    let names: BTreeSet<&String> = first.stages.keys().chain(second.stages.keys()).collect();
    let stages = names.into_iter().map(|name| {
        let keys = (first.stages.get(name), second.stages.get(name));
        compare_stage(store, name, keys)
    });
    RunDifference {
        first: head(first),
        second: head(second),
        stages: stages.collect(),
    }
}

fn head(run: &RunRecord) -> RunHead {
    RunHead {
        run: run.id.to_string(),
        pipeline: run.pipeline.clone(),
        started: run.started.0,
    }
}

fn compare_stage(store: &Store, name: &str, keys: (Option<&StageKey>, Option<&StageKey>)) -> StageDifference {
    let without_details = |state| StageDifference {
        name: name.to_owned(),
        state,
        parameters: Vec::new(),
        inputs: Vec::new(),
        metrics: Vec::new(),
        adapters: Vec::new(),
    };
    let (first, second) = match keys {
        (Some(first), Some(second)) if first == second => return without_details(StageRelation::Same),
        (Some(first), Some(second)) => (first, second),
        (Some(_), None) => return without_details(StageRelation::OnlyFirst),
        (None, _) => return without_details(StageRelation::OnlySecond),
    };
    let (Some(first), Some(second)) = (record(store, first), record(store, second)) else {
        return without_details(StageRelation::Unknown);
    };
    let state = match first.same_results(&second) {
        true => StageRelation::EqualResults,
        false => StageRelation::Changed,
    };
    let (inputs, parameters) = changes(store, &first, &second)
        .into_iter()
        .partition::<Vec<_>, _>(|change| change.path.starts_with("inputs"));
    StageDifference {
        parameters,
        inputs: ports(&inputs),
        metrics: metric_changes(&first.metrics, &second.metrics),
        adapters: adapter_distances(store, &first, &second),
        ..without_details(state)
    }
}

fn record(store: &Store, key: &StageKey) -> Option<Box<ActionRecord>> {
    match store.records().peek(key) {
        Lookup::Hit(record) => Some(record),
        Lookup::Miss(_) => None,
    }
}

/// Compares what two keys were derived from; a preimage that is gone leaves the rest worth showing.
fn changes(store: &Store, first: &ActionRecord, second: &ActionRecord) -> Vec<Difference> {
    let preimage = |record: &ActionRecord| store.records().read_preimage(&record.preimage).ok();
    match (preimage(first), preimage(second)) {
        (Some(first), Some(second)) => differences(&first, &second),
        _ => Vec::new(),
    }
}

/// Names the ports of changed inputs: `inputs.scores[1]` is `scores`.
fn ports(changes: &[Difference]) -> Vec<String> {
    let port = |change: &Difference| {
        let name = change.path.trim_start_matches("inputs").trim_start_matches('.');
        name.split('[').next().unwrap_or(name).to_owned()
    };
    let names: BTreeSet<String> = changes.iter().map(port).collect();
    names.into_iter().collect()
}
