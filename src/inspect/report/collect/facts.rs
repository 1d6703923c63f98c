//! What is known of the run and of each of its stages.

use std::collections::{BTreeMap, BTreeSet};

use mitune_store::{ActionRecord, RunRecord, Store};

use super::super::error::ReportError;
use super::super::model::{InputFacts, OutputFacts, ResultFacts, RunSummary, StageFacts};
use super::folders::without_folders;
use super::graph::{RunGraph, RunStage};
use crate::engine::Outcome;

/// Collects the facts of the run as a whole.
pub(super) fn run_summary(run: &RunRecord, graph: &RunGraph) -> RunSummary {
    let mut producers: BTreeMap<&'static str, BTreeSet<String>> = BTreeMap::new();
    let (mut cost_computed, mut cost_reused) = (0.0, 0.0);
    for stage in &graph.stages {
        let Some(record) = &stage.record else { continue };
        let producer = &record.producer;
        let values = [
            ("version", Some(&producer.version)),
            ("device", producer.device.as_ref()),
            ("number format", producer.dtype.as_ref()),
        ];
        for (name, value) in values {
            producers.entry(name).or_default().extend(value.cloned());
        }
        match stage.outcome {
            Some(Outcome::Computed) => cost_computed += record.cost_seconds,
            Some(Outcome::Reused) | None => cost_reused += record.cost_seconds,
        }
    }
    let count = |outcome| {
        graph
            .stages
            .iter()
            .filter(|stage| stage.outcome == Some(outcome))
            .count()
    };
    RunSummary {
        pipeline: run.pipeline.clone(),
        id: run.id.to_string(),
        status: run.status,
        started: run.started,
        ended: run.ended,
        producers: producers
            .into_iter()
            .filter(|(_, values)| !values.is_empty())
            .map(|(name, values)| (name, values.into_iter().collect()))
            .collect(),
        details: run
            .details
            .iter()
            .map(|(name, value)| (name.clone(), plain(value)))
            .collect(),
        reused: count(Outcome::Reused),
        computed: count(Outcome::Computed),
        cost_computed,
        cost_reused,
    }
}

/// Collects the facts of every stage.
pub(super) fn stage_facts(store: &Store, graph: &RunGraph) -> Result<Vec<StageFacts>, ReportError> {
    graph
        .stages
        .iter()
        .map(|stage| {
            let result = match &stage.record {
                Some(record) => Some(result(store, graph, stage, record)?),
                None => None,
            };
            Ok(StageFacts {
                anchor: stage.anchor(),
                names: stage.names.iter().map(|name| name.text.clone()).collect(),
                key: stage.key.to_string(),
                outcome: stage.outcome,
                seconds: stage.seconds,
                result,
            })
        })
        .collect()
}

fn result(
    store: &Store,
    graph: &RunGraph,
    stage: &RunStage,
    record: &ActionRecord,
) -> Result<ResultFacts, ReportError> {
    let preimage = store
        .records()
        .read_preimage(&record.preimage)
        .map_err(|source| ReportError::Settings {
            stage: stage.name(),
            source,
        })?;
    let producer = [
        Some(format!("version {}", record.producer.version)),
        record
            .producer
            .device
            .as_ref()
            .map(|device| format!("on {device}")),
        record.producer.dtype.as_ref().map(|dtype| format!("in {dtype}")),
    ];
    Ok(ResultFacts {
        kind: record.stage.clone(),
        revision: record.stage_rev,
        cost_seconds: record.cost_seconds,
        computed: record.ended,
        producer: producer.into_iter().flatten().collect::<Vec<String>>().join(" "),
        outputs: record
            .outputs
            .iter()
            .map(|(port, artifact)| OutputFacts {
                port: port.clone(),
                kind: artifact.kind.as_str(),
                rows: artifact.rows,
                bytes: artifact.bytes,
                content: artifact.content.to_string(),
            })
            .collect(),
        inputs: record
            .inputs
            .iter()
            .map(|(port, input)| InputFacts {
                port: port.clone(),
                content: input.content.to_string(),
                origin: graph.source(input).map(|source| graph.origin(source.stage)),
            })
            .collect(),
        metrics: record
            .metrics
            .iter()
            .filter(|(_, value)| !value.is_object() && !value.is_array())
            .map(|(name, value)| (name.clone(), plain(value)))
            .collect(),
        settings: serde_json::to_string_pretty(&preimage).unwrap_or_default(),
    })
}

/// Writes a JSON value without the quotes of texts, the brackets of a list and the folders of paths.
fn plain(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => without_folders(text),
        serde_json::Value::Array(items) => items.iter().map(plain).collect::<Vec<String>>().join(", "),
        other => other.to_string(),
    }
}
