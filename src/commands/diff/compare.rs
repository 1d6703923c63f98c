//! What differs between two runs.

use std::collections::{BTreeMap, BTreeSet};

use mitune_store::{ActionRecord, Difference, Lookup, RunRecord, StageKey, Store, differences};
use serde::Serialize;
use serde_json::{Value, json};

use super::adapters::{AdapterDistance, adapter_distances};
use super::metrics::{MetricChange, metric_changes};

/// What differs between two runs.
#[derive(Debug, Serialize)]
pub(super) struct RunDifference {
    pub(super) first: RunHead,
    pub(super) second: RunHead,
    /// In the order of their names.
    pub(super) stages: Vec<StageDifference>,
}

/// Which run it is.
#[derive(Debug, Serialize)]
pub(super) struct RunHead {
    pub(super) run: String,
    pub(super) pipeline: String,
    pub(super) started: u64,
}

/// What differs at one stage.
#[derive(Debug, Serialize)]
pub(super) struct StageDifference {
    pub(super) name: String,
    pub(super) state: State,
    /// Settings and files that differ.
    #[serde(serialize_with = "as_changes")]
    pub(super) parameters: Vec<Difference>,
    /// Ports whose content differs.
    pub(super) inputs: Vec<String>,
    pub(super) metrics: Vec<MetricChange>,
    pub(super) adapters: Vec<AdapterDistance>,
}

/// How a stage of one run relates to that of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
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
pub(super) fn compare(store: &Store, first: &RunRecord, second: &RunRecord) -> RunDifference {
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
        (Some(first), Some(second)) if first == second => return without_details(State::Same),
        (Some(first), Some(second)) => (first, second),
        (Some(_), None) => return without_details(State::OnlyFirst),
        (None, _) => return without_details(State::OnlySecond),
    };
    let (Some(first), Some(second)) = (record(store, first), record(store, second)) else {
        return without_details(State::Unknown);
    };
    let state = match first.same_results(&second) {
        true => State::EqualResults,
        false => State::Changed,
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
    match store.peek(key) {
        Lookup::Hit(record) => Some(record),
        Lookup::Miss(_) => None,
    }
}

/// Compares what two keys were derived from; a preimage that is gone leaves the rest worth showing.
fn changes(store: &Store, first: &ActionRecord, second: &ActionRecord) -> Vec<Difference> {
    let preimage = |record: &ActionRecord| store.read_preimage(&record.preimage).ok();
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

fn as_changes<S: serde::Serializer>(changes: &[Difference], serializer: S) -> Result<S::Ok, S::Error> {
    let change = |change: &Difference| {
        BTreeMap::from([
            ("path", json!(change.path)),
            ("before", json!(change.left)),
            ("now", json!(change.right)),
        ])
    };
    let changes: Vec<BTreeMap<&str, Value>> = changes.iter().map(change).collect();
    changes.serialize(serializer)
}
