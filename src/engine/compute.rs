//! Computing one stage and recording its result.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::time::Instant;

use mitune_stages::stage::{KeyIngredients, OutputPort, StageContext, StageError, StageOutput};
use mitune_store::{
    ActionRecord, Artifact, Effort, InputRecord, Producer, Published, RunLog, Timestamp, Value,
};

use super::error::EngineError;
use super::execute::{Engine, StageResult};
use super::progress_log::ProgressLog;
use super::result_check::check_record;
use crate::panic_report;
use crate::pipeline::{Pipeline, PipelineStage, Source};

/// A stage that must compute.
pub(super) struct Work<'a> {
    pub(super) pipeline: &'a Pipeline,
    pub(super) stage: &'a PipelineStage,
    pub(super) ingredients: &'a KeyIngredients,
    pub(super) log: &'a RunLog,
}

impl Engine<'_> {
    /// Computes a stage from the results of those before it and publishes the record.
    pub(super) fn compute(
        &self,
        work: &Work<'_>,
        results: &[StageResult],
    ) -> Result<ActionRecord, EngineError> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(EngineError::Interrupted { run: work.log.id() });
        }
        // Before the first stage that computes, so that a device that is not there costs no work.
        if work
            .pipeline
            .stages
            .iter()
            .any(|stage| stage.stage.dtype().is_some())
        {
            self.device.open()?;
        }
        let check = work
            .stage
            .stage
            .check_rows(&|port| input_rows(work.stage, results, port));
        check.map_err(|source| EngineError::Setup {
            file: work.pipeline.file.clone(),
            mark: work.stage.mark,
            stage: work.stage.name.to_string(),
            source,
        })?;
        let started = (Timestamp::now(), Instant::now());
        // Keys are made before the first stage runs, which can be hours ago; a result under the key of a file that has
        // changed since would be wrong for everybody who shares the store.
        self.check_external(work)?;
        self.check_inputs(work, results)?;
        let (output, share) = match self.run_stage(work, results) {
            Err(error @ (EngineError::Changed { .. } | EngineError::Interrupted { .. })) => {
                return Err(error);
            }
            // A stage that failed on a file which changed under it speaks of damage where there is none.
            ran => {
                self.check_external(work)?;
                ran?
            }
        };
        check_outputs(work.stage, &output.outputs)?;
        let effort = Effort {
            units: work
                .stage
                .stage
                .effort(&|port| input_rows(work.stage, results, port)),
            share,
        };
        let mut record = self.record(work, results, output, started)?;
        record.effort = Some(effort);
        self.publish(work, record, results)
    }

    /// Publishes a result and returns the one that counts.
    fn publish(
        &self,
        work: &Work<'_>,
        record: ActionRecord,
        results: &[StageResult],
    ) -> Result<ActionRecord, EngineError> {
        let winner = match self.store.publish(record.clone())? {
            Published::Won(record) => return Ok(record),
            Published::Adopted(winner) => winner,
        };
        let rows = |port: &str| input_rows(work.stage, results, port);
        if let Err(reason) = check_record(self.store, work.stage, &winner, &rows) {
            // It was first and is no result of this stage.
            self.store.disown_result(&record.key, &reason)?;
            return Ok(self.store.publish(record)?.into_record());
        }
        if !winner.same_results(&record) {
            let text = "another process published a different result first; that one is used";
            self.observer.progress().message(text);
        }
        Ok(winner)
    }

    /// Checks that the files a stage reads are still those of its key.
    fn check_external(&self, work: &Work<'_>) -> Result<(), EngineError> {
        let name = || work.stage.name.to_string();
        let found = work.stage.stage.external(self.digests);
        let found = found.map_err(|source| EngineError::Stage {
            stage: name(),
            source,
        })?;
        let keyed = work.ingredients.external();
        let changed = |input: &&String| found.get(*input) != keyed.get(*input);
        let mut inputs = found.keys().chain(keyed.keys());
        match inputs.find(changed) {
            Some(input) => Err(EngineError::Changed {
                stage: name(),
                input: input.clone(),
            }),
            None => Ok(()),
        }
    }

    /// Runs a stage; also returns the part of its work that was done now, from 0 to 1.
    fn run_stage(&self, work: &Work<'_>, results: &[StageResult]) -> Result<(StageOutput, f64), EngineError> {
        let stage = work.stage;
        let inputs = stage.inputs.iter().map(|port| {
            let artifacts = port
                .sources
                .iter()
                .map(|source| artifact(source, results).clone());
            (port.port, artifacts.collect())
        });
        let name = stage.name.to_string();
        let progress = ProgressLog::new(self.observer.progress(), work.log, name.clone());
        let context = StageContext::new(
            self.store,
            work.ingredients,
            inputs.collect(),
            self.device,
            &progress,
            self.cancelled,
        );
        match catch_unwind(AssertUnwindSafe(|| stage.stage.run(&context))) {
            Ok(Ok(output)) => Ok((output, progress.share())),
            Ok(Err(StageError::Changed { input })) => {
                // Its digest may have been remembered, and then found to be that of other bytes.
                self.digests.forget();
                Err(EngineError::Changed { stage: name, input })
            }
            Ok(Err(StageError::Interrupted)) => Err(EngineError::Interrupted { run: work.log.id() }),
            Ok(Err(source @ StageError::Configuration(_))) => {
                let (file, mark) = (work.pipeline.file.clone(), stage.mark);
                Err(EngineError::Setup {
                    file,
                    mark,
                    stage: name,
                    source,
                })
            }
            Ok(Err(source)) => Err(EngineError::Stage { stage: name, source }),
            Err(panic) => Err(EngineError::Panic {
                stage: name,
                message: panic_report::message(panic.as_ref()),
            }),
        }
    }

    fn record(
        &self,
        work: &Work<'_>,
        results: &[StageResult],
        output: StageOutput,
        (started, clock): (Timestamp, Instant),
    ) -> Result<ActionRecord, EngineError> {
        let stage = work.stage.stage.as_ref();
        let preimage = self.store.put_preimage(work.ingredients.preimage())?;
        let mut record = ActionRecord::new(*work.ingredients.key(), preimage, stage.kind(), stage.revision());
        record.outputs = output.outputs;
        record.metrics = output.metrics;
        record.inputs = input_records(work, results);
        record.started = started;
        record.ended = Timestamp::now();
        record.cost_seconds = clock.elapsed().as_secs_f64();
        record.run = Some(work.log.id());
        let dtype = stage.dtype().map(|dtype| dtype.name().to_owned());
        record.producer = Producer {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            device: dtype.as_ref().and_then(|_| self.device.name()),
            dtype,
            host: self.store.read_run(&work.log.id()).map(|run| run.host),
        };
        Ok(record)
    }
}

/// Lists what a stage read: a port by its name, an entry of a list port as `port[n]`, a file as `external:name`.
fn input_records(work: &Work<'_>, results: &[StageResult]) -> BTreeMap<String, InputRecord> {
    let mut inputs = BTreeMap::new();
    for port in &work.stage.inputs {
        for (index, source) in port.sources.iter().enumerate() {
            let name = if port.many {
                format!("{}[{index}]", port.port)
            } else {
                port.port.to_owned()
            };
            let content = artifact(source, results).content;
            let stage = Some(results[source.stage].record.key);
            inputs.insert(name, InputRecord { content, stage });
        }
    }
    for (name, &content) in work.ingredients.external() {
        inputs.insert(format!("external:{name}"), InputRecord { content, stage: None });
    }
    inputs
}

/// Returns the artifact behind a source.
///
/// It is there: stages run in order, and a result is only taken over with all declared outputs.
fn artifact<'a>(source: &Source, results: &'a [StageResult]) -> &'a Artifact {
    &results[source.stage].record.outputs[source.output]
}

/// Returns the number of rows on a port, `None` if something else than tables is connected or the port is unknown.
pub(super) fn input_rows(stage: &PipelineStage, results: &[StageResult], port: &str) -> Option<u64> {
    let port = stage.inputs.iter().find(|input| input.port == port)?;
    let sources = port.sources.iter();
    sources.map(|source| artifact(source, results).rows).sum()
}

/// Returns the content behind a source as keys have it.
pub(super) fn content(source: &Source, results: &[StageResult]) -> Value {
    Value::Text(artifact(source, results).content.to_string())
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
