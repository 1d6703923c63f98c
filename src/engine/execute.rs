//! Running a pipeline.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mitune_store::{Holder, RunId, RunLog, RunRecord, RunStatus};

use super::context::Engine;
use super::error::EngineError;
use super::pipeline_digest::pipeline_digest;
use super::prepare::{Prepared, prepare};
use super::results::StageResult;
use super::rewind::Rewinds;
use super::walk::Walk;
use crate::pipeline::Pipeline;

/// After this time it is told whom the choice of a run waits for.
const QUIET: Duration = Duration::from_secs(1);

/// A run that reached its end.
#[derive(Debug)]
pub struct RunSummary {
    /// The run.
    pub run: RunId,
    /// What this process wrote of it, which a store that may only be read does not keep.
    pub record: RunRecord,
    /// One result per stage of the pipeline, in its order.
    pub stages: Vec<StageResult>,
}

impl Engine<'_> {
    /// Computes what the store does not have, stage after stage, and keeps a log of it in the store.
    ///
    /// Processes at the same pipeline are members of one run; stages that others compute are left to them as long as
    /// there are others. `details` are remembered in the record of the run.
    ///
    /// # Errors
    /// [`EngineError`] at the first stage that cannot be computed; results of stages before it are kept.
    pub fn run(
        &self,
        pipeline: &Pipeline,
        details: BTreeMap<String, serde_json::Value>,
    ) -> Result<RunSummary, EngineError> {
        let prepared = prepare(pipeline, self.digests)?;
        let log = self.begin(pipeline, &prepared)?;
        log.update(|record| record.details = details)?;
        match log.is_joined() {
            true => self.observer.run_joined(&log.id(), pipeline),
            false => self.observer.run_started(&log.id(), pipeline),
        }
        // What was lacking before this run says nothing about it.
        self.store.blobs().take_lost();
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
        self.share(&log.id(), status);
        let mut summary = result?;
        finished?;
        summary.record = log.record();
        Ok(summary)
    }

    /// Sends the run, and earlier ones that did not go, to the remotes.
    fn share(&self, run: &RunId, status: RunStatus) {
        let runs = self.store.runs();
        if status != RunStatus::Interrupted {
            runs.share_run(run);
            runs.share_earlier_runs(run);
        } else if runs
            .read(run)
            .is_some_and(|run| run.status == RunStatus::Succeeded)
        {
            // The others have every result, and this process is the last that can send the record.
            runs.share_run(run);
        } else {
            // Whoever stops a run does not want to wait for a slow line; the next push brings what was not sent.
            return;
        }
        self.store.flush_remotes();
    }

    /// Joins the run that others are at with the same pipeline, or begins one. A store that may only be read serves what
    /// it has, and keeps nothing of the run.
    fn begin(&self, pipeline: &Pipeline, prepared: &[Prepared]) -> Result<RunLog, EngineError> {
        let digest = pipeline_digest(pipeline, prepared)?;
        let name = &pipeline.spec.name;
        let mut told = false;
        let mut goes_on = |holder: &Holder, waited: Duration| {
            if waited >= QUIET && !told {
                told = true;
                let text = format!("waiting for {holder}, which begins or joins a run of this pipeline");
                self.observer.progress().message(&text);
            }
            !self.cancelled.load(Ordering::Relaxed)
        };
        match RunLog::join_or_create_while(self.store, name, digest, &mut goes_on) {
            Err(error) if error.is_read_only() => {
                let text = format!("nothing of this run is kept, the store may only be read here: {error}");
                self.observer.progress().message(&text);
                Ok(RunLog::unrecorded(self.store, name))
            }
            log => log?.ok_or(EngineError::InterruptedEarly),
        }
    }

    fn run_stages(
        &self,
        pipeline: &Pipeline,
        prepared: &[Prepared],
        log: &RunLog,
    ) -> Result<RunSummary, EngineError> {
        let results = Walk::new(self, pipeline, prepared, log).run()?;
        log.update(|record| results.name_stages(pipeline, record))?;
        Ok(RunSummary {
            run: log.id(),
            record: log.record(),
            stages: results.into_stages(),
        })
    }
}
