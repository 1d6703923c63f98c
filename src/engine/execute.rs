//! Running a pipeline.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use mitune_stages::stage::{ExternalDigests, LazyDevice};
use mitune_store::{ActionRecord, Lookup, RunId, RunLog, RunRecord, RunStatus, Store};
use serde::Serialize;

use super::compute::{Work, content, input_rows};
use super::error::EngineError;
use super::events;
use super::explanation::Explainer;
use super::ingredients::ingredients;
use super::observer::Observer;
use super::plan::Plan;
use super::prepare::{Prepared, prepare};
use super::rewind::Rewinds;
use super::turn::Turn;
use crate::pipeline::Pipeline;

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
    /// Its record, which a store that may only be read does not keep.
    pub record: RunRecord,
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
        let log = self.begin(&pipeline.spec.name)?;
        log.update(|record| record.details = details)?;
        self.observer.run_started(&log.id(), pipeline);
        // What was lacking before this run says nothing about it.
        self.store.take_lost();
        let mut rewinds = Rewinds::default();
        let mut result = self.run_stages(pipeline, &prepared, &log);
        while let Err(error) = &result
            && rewinds.may_help(self.store, error)
        {
            result = self.run_stages(pipeline, &prepared, &log);
        }
        let status = match &result {
            Ok(_) => RunStatus::Succeeded,
            Err(EngineError::Interrupted { .. }) => RunStatus::Interrupted,
            Err(_) => RunStatus::Failed,
        };
        let finished = log.finish(status);
        if status != RunStatus::Interrupted {
            // Whoever stops a run does not want to wait for a slow line; the next push brings what was not sent.
            self.store.share_run(&log.id());
            self.store.flush_remotes();
        }
        let mut summary = result?;
        finished?;
        summary.record = log.record();
        Ok(summary)
    }

    /// Begins the log of a run. A store that may only be read serves what it has, and keeps nothing of the run.
    fn begin(&self, pipeline: &str) -> Result<RunLog, EngineError> {
        match RunLog::create(self.store, pipeline) {
            Err(error) if error.is_read_only() => {
                let text = format!("nothing of this run is kept, the store may only be read here: {error}");
                self.observer.progress().message(&text);
                Ok(RunLog::unrecorded(self.store, pipeline))
            }
            log => Ok(log?),
        }
    }

    /// Computes a stage, unless another process does so and comes to a result.
    fn compute_or_wait(&self, work: &Work<'_>, results: &[StageResult]) -> Result<StageResult, EngineError> {
        let (outcome, record) = match self.turn(work, results)? {
            Turn::Found(record) => (Outcome::Reused, *record),
            // The lease is released when the record is there.
            Turn::Ours(_lease) => (Outcome::Computed, self.compute(work, results)?),
        };
        Ok(StageResult { outcome, record })
    }

    fn run_stages(
        &self,
        pipeline: &Pipeline,
        prepared: &[Prepared],
        log: &RunLog,
    ) -> Result<RunSummary, EngineError> {
        let mut stages: Vec<StageResult> = Vec::new();
        let mut explainer = Explainer::new(self.store);
        for (stage, prepared) in pipeline.stages.iter().zip(prepared) {
            let salt = pipeline.spec.salt.as_deref();
            let ingredients = ingredients(stage, prepared, salt, |source| content(source, &stages))?;
            let (key, value) = (*ingredients.key(), ingredients.preimage());
            let started = Instant::now();
            let result = match self.look_up(stage, &key, &stages)? {
                Lookup::Hit(record) => {
                    if log.is_recorded() {
                        self.store.mend_preimage(&record, value)?;
                    }
                    StageResult {
                        outcome: Outcome::Reused,
                        record: *record,
                    }
                }
                Lookup::Miss(reason) if !log.is_recorded() => {
                    let (stage, reason) = (stage.name.to_string(), reason.to_string());
                    return Err(EngineError::ReadOnly { stage, reason });
                }
                Lookup::Miss(reason) => {
                    // Hours may pass now: what this run found so far must not be collected meanwhile.
                    log.update(|record| {
                        name_stages(record, pipeline, &stages);
                        record.stages.insert(stage.name.to_string(), key);
                    })?;
                    let rows = |port: &str| input_rows(stage, &stages, port);
                    let explanation = explainer.explain(stage, value, reason, &rows)?;
                    events::started(log, stage, key, &explanation)?;
                    self.observer.stage_started(stages.len(), stage, &explanation);
                    let work = Work {
                        pipeline,
                        stage,
                        ingredients: &ingredients,
                        log,
                    };
                    self.compute_or_wait(&work, &stages)
                        .inspect_err(|error| events::stopped(log, stage, error))?
                }
            };
            if result.outcome == Outcome::Computed {
                // What a killed run leaves unsent is at most one stage.
                self.store.flush_remotes();
            }
            let time = started.elapsed();
            events::finished(log, stage, &result, time)?;
            self.observer
                .stage_finished(stages.len(), stage, result.outcome, time);
            stages.push(result);
        }
        log.update(|record| name_stages(record, pipeline, &stages))?;
        Ok(RunSummary {
            run: log.id(),
            record: log.record(),
            stages,
        })
    }
}

/// Enters the stages that have their results into the record of the run, which keeps them.
fn name_stages(record: &mut RunRecord, pipeline: &Pipeline, stages: &[StageResult]) {
    for (stage, result) in pipeline.stages.iter().zip(stages) {
        record.stages.insert(stage.name.to_string(), result.record.key);
    }
}
