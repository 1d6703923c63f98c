//! The results of stages, as far as a run has come.

use std::collections::BTreeMap;

use mitune_store::{ActionRecord, Artifact, RunRecord, Value};
use serde::Serialize;

use crate::pipeline::{Pipeline, PipelineStage, Source};

/// How a stage came by its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The store had it.
    Reused,
    /// It was computed.
    Computed,
}

/// The result of one stage.
#[derive(Clone, Debug)]
pub struct StageResult {
    /// How it came about.
    pub outcome: Outcome,
    /// The record with outputs and metrics.
    pub record: ActionRecord,
}

/// The results of stages by their place in the pipeline.
#[derive(Clone, Debug, Default)]
pub(super) struct Results(BTreeMap<usize, StageResult>);

impl Results {
    pub(super) fn insert(&mut self, stage: usize, result: StageResult) {
        self.0.insert(stage, result);
    }

    /// Counts the stages that have one.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// Returns the result behind a source.
    ///
    /// It is there: a stage is tried when all stages that it reads from have theirs.
    pub(super) fn of(&self, source: &Source) -> &StageResult {
        &self.0[&source.stage]
    }

    /// Returns the artifact behind a source.
    ///
    /// It is there: a result is only taken over with all declared outputs.
    pub(super) fn artifact(&self, source: &Source) -> &Artifact {
        &self.of(source).record.outputs[source.output]
    }

    /// Returns the content behind a source as keys have it.
    pub(super) fn content(&self, source: &Source) -> Value {
        Value::Text(self.artifact(source).content.to_string())
    }

    /// Returns the number of rows on a port, `None` if something else than tables is connected or the port is unknown.
    pub(super) fn rows(&self, stage: &PipelineStage, port: &str) -> Option<u64> {
        let port = stage.inputs.iter().find(|input| input.port == port)?;
        let sources = port.sources.iter();
        sources.map(|source| self.artifact(source).rows).sum()
    }

    /// Enters the stages that have their results into the record of the run, which keeps them.
    pub(super) fn name_stages(&self, pipeline: &Pipeline, record: &mut RunRecord) {
        for (&stage, result) in &self.0 {
            let name = pipeline.stages[stage].name.to_string();
            record.stages.insert(name, result.record.key);
        }
    }

    /// Returns the results in the order of the pipeline.
    pub(super) fn into_stages(self) -> Vec<StageResult> {
        self.0.into_values().collect()
    }
}
