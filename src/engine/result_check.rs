//! Whether a recorded result can be what its stage yields.
//!
//! Records come from other programs and other people. One with another table under a right key must cost the time to
//! compute its stage, not every run: it is disowned, here and wherever the tombstone gets to.

use std::collections::BTreeMap;

use mitune_stages::contract::{ContentError, OutputPort};
use mitune_store::{ActionRecord, Artifact, Lookup, MissReason, Reach, StageKey, Store, StoreError};

use super::context::Engine;
use super::error::EngineError;
use super::results::{Outcome, Results};
use super::task::Task;
use crate::pipeline::PipelineStage;

/// Wrong results of one key that are passed over, such as those of several remotes.
const ATTEMPTS: usize = 8;

impl Engine<'_> {
    /// Looks up the result of a stage; a record that cannot be its result is disowned, so that the stage is computed.
    pub(super) fn look_up(
        &self,
        stage: &PipelineStage,
        key: &StageKey,
        results: &Results,
    ) -> Result<Lookup, EngineError> {
        let rows = |port: &str| results.rows(stage, port);
        let mut wrong = String::new();
        for _ in 0..ATTEMPTS {
            let record = match self.store.records().lookup(key) {
                Lookup::Hit(record) => record,
                miss => return Ok(miss),
            };
            let Err(reason) = check_record(self.store, stage, &record, &rows) else {
                return Ok(Lookup::Hit(record));
            };
            match self.store.records().disown_result(key, &reason) {
                Err(error) if !error.is_read_only() => return Err(error.into()),
                _ => wrong = reason,
            }
        }
        Ok(Lookup::Miss(MissReason::Corrupt {
            what: format!("Action record `{}`", key.short()),
            reason: wrong,
        }))
    }

    /// Fetches what a stage reads and checks that it is what its ports say; the result that is not is disowned.
    pub(super) fn check_inputs(&self, task: &Task<'_>, results: &Results) -> Result<(), EngineError> {
        for source in task.stage.sources() {
            let result = results.of(source);
            // What this run computed was checked when it was published, and is here.
            if result.outcome == Outcome::Computed {
                continue;
            }
            let made_by = &task.pipeline.stages[source.stage];
            let port = made_by
                .stage
                .outputs()
                .iter()
                .find(|port| port.name == source.output);
            let (Some(port), Some(artifact)) = (port, result.record.outputs.get(source.output)) else {
                continue;
            };
            let expected = made_by.stage.expected_table(port.name, &|_| None);
            let check = |reach| port.content.check(self.store, artifact, expected.as_ref(), reach);
            match check(Reach::Everywhere) {
                Ok(()) => {}
                Err(ContentError::Store(error)) => return Err(error.into()),
                Err(error) => {
                    let (stage, reason) = (made_by.name.to_string(), error.to_string());
                    self.store.records().disown_result(&result.record.key, &reason)?;
                    return Err(EngineError::Disowned { stage, reason });
                }
            }
        }
        Ok(())
    }
}

/// Checks a record by what it says and what is here of its outputs.
pub(super) fn check_record(
    store: &Store,
    stage: &PipelineStage,
    record: &ActionRecord,
    rows: &dyn Fn(&str) -> Option<u64>,
) -> Result<(), String> {
    check_outputs(stage, &record.outputs).map_err(|error| error.to_string())?;
    for port in stage.stage.outputs() {
        let Some(artifact) = record.outputs.get(port.name) else {
            continue;
        };
        let expected = stage.stage.expected_table(port.name, rows);
        match port
            .content
            .check(store, artifact, expected.as_ref(), Reach::Here)
        {
            // What cannot be read now is found lacking by whoever reads it.
            Ok(()) | Err(ContentError::Store(StoreError::MissingBlob(_) | StoreError::Path(_))) => {}
            Err(error) => return Err(format!("Output `{}`: {error}", port.name)),
        }
    }
    Ok(())
}

/// Checks that a result has exactly the outputs that the stage declares, each of a kind that can hold it.
pub(super) fn check_outputs(
    stage: &PipelineStage,
    outputs: &BTreeMap<String, Artifact>,
) -> Result<(), EngineError> {
    let declared: Vec<&str> = stage.stage.outputs().iter().map(|port| port.name).collect();
    let yielded: Vec<&str> = outputs.keys().map(String::as_str).collect();
    let held = |port: &OutputPort| {
        let artifact = outputs.get(port.name);
        artifact.is_some_and(|artifact| port.content.is_held_by(artifact.kind))
    };
    if declared.len() == yielded.len() && stage.stage.outputs().iter().all(held) {
        return Ok(());
    }
    let (declared, yielded) = (declared.join("`, `"), yielded.join("`, `"));
    Err(EngineError::Outputs {
        stage: stage.name.to_string(),
        declared,
        yielded,
    })
}
