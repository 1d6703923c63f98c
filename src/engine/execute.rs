//! Running a pipeline.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mitune_stages::stage::{ExternalDigests, LazyDevice, StageContext, StageError, StageOutput};
use mitune_store::{
    ActionRecord, Artifact, InputRecord, Lookup, Producer, RunId, RunLog, RunStatus, StageKey, Store,
    Timestamp, Value,
};
use serde::Serialize;
use serde_json::json;

use super::error::EngineError;
use super::observer::Observer;
use super::plan::Plan;
use super::preimage::preimage;
use super::prepare::{Prepared, prepare};
use super::progress_log::ProgressLog;
use crate::pipeline::{Pipeline, PipelineStage, Source};

/// What is needed to plan and run pipelines.
pub struct Engine<'a> {
    /// Where results are kept.
    pub store: &'a Store,
    /// Where tensors are computed.
    pub device: &'a LazyDevice,
    /// Digests of files outside the store.
    pub digests: &'a dyn ExternalDigests,
    /// Who watches.
    pub observer: &'a dyn Observer,
    /// Set when the run shall stop.
    pub cancelled: &'a AtomicBool,
}

/// How a stage came by its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The store had it.
    Reused,
    /// It was computed.
    Computed,
}

/// A run that reached its end.
#[derive(Debug)]
pub struct RunSummary {
    /// The run.
    pub run: RunId,
    /// One result per stage of the pipeline, in its order.
    pub stages: Vec<StageResult>,
}

/// The result of one stage.
#[derive(Debug)]
pub struct StageResult {
    /// How it came about.
    pub outcome: Outcome,
    /// The record with outputs and metrics.
    pub record: ActionRecord,
}

impl Engine<'_> {
    /// Works out what a run would do, without changing anything.
    ///
    /// # Errors
    /// [`EngineError::Setup`] if a stage needs a file that is not there, [`EngineError::Store`] if the store cannot
    /// be read.
    pub fn plan(&self, pipeline: &Pipeline) -> Result<Plan, EngineError> {
        Plan::make(pipeline, self.store, self.digests)
    }

    /// Computes what the store does not have, stage after stage, and keeps a log of it in the store.
    ///
    /// `details` are remembered in the record of the run.
    ///
    /// # Errors
    /// [`EngineError`] at the first stage that cannot be computed; results of stages before it are kept.
    pub fn run(
        &self,
        pipeline: &Pipeline,
        details: BTreeMap<String, serde_json::Value>,
    ) -> Result<RunSummary, EngineError> {
        let prepared = prepare(pipeline, self.digests)?;
        let log = RunLog::create(self.store, &pipeline.spec.name)?;
        log.update(|record| record.details = details)?;
        self.observer.run_started(&log.id(), pipeline);
        let result = self.run_stages(pipeline, &prepared, &log);
        let status = match &result {
            Ok(_) => RunStatus::Succeeded,
            Err(EngineError::Interrupted { .. }) => RunStatus::Interrupted,
            Err(_) => RunStatus::Failed,
        };
        let finished = log.finish(status);
        let summary = result?;
        finished?;
        Ok(summary)
    }

    fn run_stages(
        &self,
        pipeline: &Pipeline,
        prepared: &[Prepared],
        log: &RunLog,
    ) -> Result<RunSummary, EngineError> {
        let mut stages: Vec<StageResult> = Vec::new();
        for (stage, prepared) in pipeline.stages.iter().zip(prepared) {
            let name = stage.name.to_string();
            let salt = pipeline.spec.salt.as_deref();
            let value = preimage(stage, prepared, salt, |source| content(source, &stages));
            let key = StageKey::derive(&value)?;
            let started = Instant::now();
            let result = match self.store.lookup(&key) {
                Lookup::Hit(record) => {
                    check_outputs(stage, &record.outputs)?;
                    StageResult {
                        outcome: Outcome::Reused,
                        record: *record,
                    }
                }
                Lookup::Miss(reason) => {
                    let fields = [
                        ("stage", json!(name)),
                        ("kind", json!(stage.stage.kind())),
                        ("key", json!(key)),
                        ("reason", json!(reason.to_string())),
                    ];
                    log.event("stage_started", named(fields))?;
                    log.update(|record| record.stages.extend([(name.clone(), key)]))?;
                    self.observer.stage_started(stages.len(), stage);
                    let work = Work {
                        pipeline,
                        stage,
                        prepared,
                        value: &value,
                        key,
                        log,
                    };
                    let record = self.compute(&work, &stages).inspect_err(|error| {
                        let fields = [("stage", json!(name)), ("error", json!(chain(error)))];
                        // The run fails with the error itself; a log that cannot take it changes nothing.
                        let _ = log.event("stage_failed", named(fields));
                    })?;
                    StageResult {
                        outcome: Outcome::Computed,
                        record,
                    }
                }
            };
            let time = started.elapsed();
            log_result(log, &name, key, &result, time)?;
            self.observer
                .stage_finished(stages.len(), stage, result.outcome, time);
            stages.push(result);
        }
        log.update(|record| {
            for (stage, result) in pipeline.stages.iter().zip(&stages) {
                record.stages.insert(stage.name.to_string(), result.record.key);
            }
        })?;
        Ok(RunSummary {
            run: log.id(),
            stages,
        })
    }

    fn compute(&self, work: &Work<'_>, results: &[StageResult]) -> Result<ActionRecord, EngineError> {
        let stage = work.stage;
        let name = stage.name.to_string();
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(EngineError::Interrupted { run: work.log.id() });
        }
        if stage.stage.dtype().is_some() {
            self.device.open()?;
        }
        let inputs = stage.inputs.iter().map(|port| {
            let artifacts = port
                .sources
                .iter()
                .map(|source| artifact(source, results).clone());
            (port.port, artifacts.collect())
        });
        let started = (Timestamp::now(), Instant::now());
        let progress = ProgressLog::new(self.observer.progress(), work.log, name.clone());
        let context = StageContext::new(
            self.store,
            work.key,
            inputs.collect(),
            self.device,
            &progress,
            self.cancelled,
        );
        let output = match catch_unwind(AssertUnwindSafe(|| stage.stage.run(&context))) {
            Ok(Ok(output)) => output,
            Ok(Err(StageError::Interrupted)) => return Err(EngineError::Interrupted { run: work.log.id() }),
            Ok(Err(source @ StageError::Configuration(_))) => {
                let (file, mark) = (work.pipeline.file.clone(), stage.mark);
                return Err(EngineError::Setup {
                    file,
                    mark,
                    stage: name,
                    source,
                });
            }
            Ok(Err(source)) => return Err(EngineError::Stage { stage: name, source }),
            Err(panic) => {
                return Err(EngineError::Panic {
                    stage: name,
                    message: panic_message(panic.as_ref()),
                });
            }
        };
        check_outputs(stage, &output.outputs)?;
        let record = self.record(work, results, output, started)?;
        Ok(self.store.publish(record)?.into_record())
    }

    fn record(
        &self,
        work: &Work<'_>,
        results: &[StageResult],
        output: StageOutput,
        (started, clock): (Timestamp, Instant),
    ) -> Result<ActionRecord, EngineError> {
        let stage = work.stage;
        let mut record = ActionRecord::new(
            work.key,
            self.store.put_preimage(work.value)?,
            stage.stage.kind(),
            stage.stage.revision(),
        );
        record.outputs = output.outputs;
        record.metrics = output.metrics;
        record.started = started;
        record.ended = Timestamp::now();
        record.cost_seconds = clock.elapsed().as_secs_f64();
        record.run = Some(work.log.id());
        let dtype = stage.stage.dtype().map(|dtype| dtype.name().to_owned());
        record.producer = Producer {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            device: dtype.as_ref().and_then(|_| self.device.name()),
            dtype,
            host: self.store.read_run(&work.log.id()).map(|run| run.host),
        };
        for port in &stage.inputs {
            for (index, source) in port.sources.iter().enumerate() {
                let name = if port.many {
                    format!("{}[{index}]", port.port)
                } else {
                    port.port.to_owned()
                };
                let content = artifact(source, results).content;
                let key = results[source.stage].record.key;
                record.inputs.insert(
                    name,
                    InputRecord {
                        content,
                        stage: Some(key),
                    },
                );
            }
        }
        for (name, content) in &work.prepared.external {
            record.inputs.insert(
                format!("external:{name}"),
                InputRecord {
                    content: *content,
                    stage: None,
                },
            );
        }
        Ok(record)
    }
}

/// A stage that must compute.
struct Work<'a> {
    pipeline: &'a Pipeline,
    stage: &'a PipelineStage,
    prepared: &'a Prepared,
    value: &'a Value,
    key: StageKey,
    log: &'a RunLog,
}

/// Returns the artifact behind a source.
///
/// It is there: stages run in order, and a result is only taken over with all declared outputs.
fn artifact<'a>(source: &Source, results: &'a [StageResult]) -> &'a Artifact {
    &results[source.stage].record.outputs[source.output]
}

fn content(source: &Source, results: &[StageResult]) -> Value {
    Value::Text(artifact(source, results).content.to_string())
}

fn check_outputs(stage: &PipelineStage, outputs: &BTreeMap<String, Artifact>) -> Result<(), EngineError> {
    let declared: Vec<&str> = stage.stage.outputs().iter().map(|port| port.name).collect();
    let yielded: Vec<&str> = outputs.keys().map(String::as_str).collect();
    if declared.len() == yielded.len() && declared.iter().all(|name| yielded.contains(name)) {
        return Ok(());
    }
    let (declared, yielded) = (declared.join("`, `"), yielded.join("`, `"));
    Err(EngineError::Outputs {
        stage: stage.name.to_string(),
        declared,
        yielded,
    })
}

fn log_result(
    log: &RunLog,
    name: &str,
    key: StageKey,
    result: &StageResult,
    time: Duration,
) -> Result<(), EngineError> {
    let event = match result.outcome {
        Outcome::Reused => "stage_reused",
        Outcome::Computed => "stage_finished",
    };
    let fields = [
        ("stage", json!(name)),
        ("key", json!(key)),
        ("seconds", json!(time.as_secs_f64())),
    ];
    Ok(log.event(event, named(fields))?)
}

fn named<const N: usize>(fields: [(&str, serde_json::Value); N]) -> BTreeMap<String, serde_json::Value> {
    fields
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// Returns the messages of an error and its causes.
fn chain(error: &dyn std::error::Error) -> Vec<String> {
    std::iter::successors(Some(error), |error| error.source())
        .map(ToString::to_string)
        .collect()
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("no message").to_owned()
}
