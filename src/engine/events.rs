//! What the log of a run says about its stages.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use mitune_store::{RunLog, StageKey};
use serde_json::{Value, json};

use super::error::EngineError;
use super::explanation::Explanation;
use super::results::{Outcome, StageResult};
use crate::pipeline::PipelineStage;

/// A stage begins to compute.
pub(super) fn started(
    log: &RunLog,
    stage: &PipelineStage,
    key: StageKey,
    explanation: &Explanation,
) -> Result<(), EngineError> {
    let fields = [
        ("stage", json!(stage.name)),
        ("kind", json!(stage.stage.kind())),
        ("key", json!(key)),
        ("reason", json!(explanation.lines())),
        (
            "expected_seconds",
            json!(explanation.cost.as_ref().map(|cost| cost.seconds)),
        ),
    ];
    Ok(log.event("stage_started", named(fields))?)
}

/// A stage has its result.
pub(super) fn finished(
    log: &RunLog,
    stage: &PipelineStage,
    result: &StageResult,
    time: Duration,
) -> Result<(), EngineError> {
    let event = match result.outcome {
        Outcome::Reused => "stage_reused",
        Outcome::Computed => "stage_finished",
    };
    let fields = [
        ("stage", json!(stage.name)),
        ("key", json!(result.record.key)),
        ("seconds", json!(time.as_secs_f64())),
    ];
    Ok(log.event(event, named(fields))?)
}

/// A stage ends without a result.
pub(super) fn stopped(log: &RunLog, stage: &PipelineStage, error: &EngineError) {
    let event = match error {
        EngineError::Interrupted { .. } => "stage_interrupted",
        _ => "stage_failed",
    };
    let errors = std::iter::successors(Some(error as &(dyn Error + 'static)), |&error| error.source());
    let chain: Vec<String> = errors.map(ToString::to_string).collect();
    // The run fails with the error itself; a log that cannot take it changes nothing.
    let _ = log.event(
        event,
        named([("stage", json!(stage.name)), ("error", json!(chain))]),
    );
}

fn named<const N: usize>(fields: [(&str, Value); N]) -> BTreeMap<String, Value> {
    fields
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}
