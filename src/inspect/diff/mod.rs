//! What differs between two runs.

mod adapters;
mod metrics;

use std::collections::BTreeSet;

use mitune_store::{
    ActionRecord, Difference, Lookup, RunEvent, RunRecord, RunStatus, StageKey, Store, differences,
};
use serde::Serialize;
use serde_json::Value as Json;

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
    /// A run came to its end before the stage did, and its record is not in the store.
    Unfinished,
}

/// Compares two runs stage by stage.
pub(crate) fn compare(store: &Store, first: &RunRecord, second: &RunRecord) -> RunDifference {
    let names: BTreeSet<&String> = first.stages.keys().chain(second.stages.keys()).collect();
    let stages = names.into_iter().map(|name| {
        let keys = (first.stages.get(name), second.stages.get(name));
        let mut stage = compare_stage(store, name, keys);
        let mut runs = [first, second].into_iter();
        if stage.state == StageRelation::Unknown && runs.any(|run| stopped_before(store, run, name)) {
            stage.state = StageRelation::Unfinished;
        }
        stage
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

/// Tells whether a run surely stopped before a stage of which there is no record had one.
fn stopped_before(store: &Store, run: &RunRecord, stage: &str) -> bool {
    let key = run.stages.get(stage);
    let lacking = key.is_some_and(|key| record(store, key).is_none());
    if !lacking || run.status == RunStatus::Succeeded {
        return false;
    }
    let has_result = |event: &RunEvent| {
        matches!(event.event.as_str(), "stage_finished" | "stage_reused")
            && event.fields.get("stage").and_then(Json::as_str) == Some(stage)
    };
    // A log that is not here tells nothing: a run may come from another store without it.
    let events = store.runs().events(&run.id).unwrap_or_default();
    !events.is_empty() && !events.iter().any(has_result)
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use mitune_store::{RunLog, Value};

    use super::*;

    /// A run whose stage has no record, because it was collected or because there never was one.
    fn run(store: &Store, key: u64, events: &[&str], status: Option<RunStatus>) -> RunRecord {
        let log = RunLog::create(store, "tiny").unwrap();
        let key = StageKey::derive(&Value::from(key)).unwrap();
        log.update(|run| run.stages = [("a".to_owned(), key)].into())
            .unwrap();
        for event in events {
            let fields = BTreeMap::from([("stage".to_owned(), Json::from("a"))]);
            log.event(event, fields).unwrap();
        }
        if let Some(status) = status {
            log.finish(status).unwrap();
        }
        store.runs().read(&log.id()).unwrap()
    }

    #[test]
    fn a_record_that_never_was_is_told_from_one_that_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let state = |first: &RunRecord, second: &RunRecord| compare(&store, first, second).stages[0].state;
        let done = run(
            &store,
            1,
            &["stage_started", "stage_finished"],
            Some(RunStatus::Succeeded),
        );
        let killed = run(&store, 2, &["stage_started"], None);
        let failed = run(
            &store,
            3,
            &["stage_started", "stage_failed"],
            Some(RunStatus::Failed),
        );
        let killed_later = run(&store, 4, &["stage_started", "stage_finished"], None);
        let without_events = run(&store, 5, &[], Some(RunStatus::Interrupted));
        assert_eq!(state(&done, &killed), StageRelation::Unfinished);
        assert_eq!(state(&failed, &done), StageRelation::Unfinished);
        assert_eq!(state(&done, &killed_later), StageRelation::Unknown);
        assert_eq!(state(&done, &without_events), StageRelation::Unknown);
    }
}
