//! Computing one stage and recording its result.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::time::Instant;

use mitune_stages::contract::{StageContext, StageError, StageOutput};
use mitune_store::{ActionRecord, Effort, InputRecord, Producer, Published, StoreError, Timestamp};

use super::context::Engine;
use super::error::EngineError;
use super::progress_log::ProgressLog;
use super::result_check::{check_outputs, check_record};
use super::results::Results;
use super::task::Task;
use crate::panic_report;

impl Engine<'_> {
    /// Computes a stage from the results of those before it and publishes the record.
    ///
    /// Returns none if the stage would only wait for other processes while `other_work` tells that this one has
    /// something else to do.
    pub(super) fn compute(
        &self,
        task: &Task<'_>,
        results: &Results,
        other_work: &(dyn Fn() -> bool + Sync),
    ) -> Result<Option<ActionRecord>, EngineError> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(EngineError::Interrupted { run: task.log.id() });
        }
        self.prepare_device(task)?;
        let rows = |port: &str| results.rows(task.stage, port);
        let check = task.stage.stage.check_rows(&rows);
        check.map_err(|source| EngineError::setup(task.pipeline, task.stage, source))?;
        let started = (Timestamp::now(), Instant::now());
        // Keys are made before the first stage runs, which can be hours ago; a result under the key of a file that has
        // changed since would be wrong for everybody who shares the store.
        self.check_external(task)?;
        self.check_inputs(task, results)?;
        let ran = match self.run_stage(task, results, other_work) {
            Err(error @ (EngineError::Changed { .. } | EngineError::Interrupted { .. })) => {
                return Err(error);
            }
            // A stage that failed on a file which changed under it speaks of damage where there is none.
            ran => {
                self.check_external(task)?;
                ran?
            }
        };
        let Some((output, share)) = ran else {
            return Ok(None);
        };
        check_outputs(task.stage, &output.outputs)?;
        let units = task.stage.stage.effort(&rows);
        let mut record = self.record(task, results, output, started)?;
        record.effort = Some(Effort { units, share });
        self.publish(task, record, results).map(Some)
    }

    /// Opens the device if the stage needs it. One that the pipeline needs and that is not there costs no work, not
    /// even that of stages which need none.
    fn prepare_device(&self, task: &Task<'_>) -> Result<(), EngineError> {
        let mut stages = task.pipeline.stages.iter();
        if stages.any(|stage| stage.stage.needs_device()) {
            self.device.find()?;
        }
        if task.stage.stage.needs_device() {
            self.device.open()?;
        }
        Ok(())
    }

    /// Publishes a result and returns the one that counts.
    fn publish(
        &self,
        task: &Task<'_>,
        record: ActionRecord,
        results: &Results,
    ) -> Result<ActionRecord, EngineError> {
        let winner = match self.publish_record(task, record.clone())? {
            Published::Won(record) => return Ok(record),
            Published::Adopted(winner) => winner,
        };
        let rows = |port: &str| results.rows(task.stage, port);
        if let Err(reason) = check_record(self.store, task.stage, &winner, &rows) {
            // It was first and is no result of this stage.
            self.store.records().disown_result(&record.key, &reason)?;
            return Ok(self.publish_record(task, record)?.into_record());
        }
        if !winner.same_results(&record) {
            let text = "another process published a different result first; that one is used";
            self.observer.progress().message(text);
        }
        Ok(winner)
    }

    fn publish_record(&self, task: &Task<'_>, record: ActionRecord) -> Result<Published, EngineError> {
        let published = self.store.records().publish(record);
        published.map_err(|error| match error {
            StoreError::RecordSize { size, limit } => EngineError::RecordSize {
                stage: task.name(),
                size,
                limit,
            },
            error => error.into(),
        })
    }

    /// Checks that the files a stage reads are still those of its key.
    fn check_external(&self, task: &Task<'_>) -> Result<(), EngineError> {
        let found = task.stage.stage.external(self.digests);
        let found = found.map_err(|source| EngineError::Stage {
            stage: task.name(),
            source,
        })?;
        let keyed = task.ingredients.external();
        let changed = |input: &&String| found.get(*input) != keyed.get(*input);
        let mut inputs = found.keys().chain(keyed.keys());
        match inputs.find(changed) {
            Some(input) => Err(EngineError::Changed {
                stage: task.name(),
                input: input.clone(),
            }),
            None => Ok(()),
        }
    }

    /// Runs a stage; also returns the part of its work that was done now, from 0 to 1. None if the stage was put off.
    fn run_stage(
        &self,
        task: &Task<'_>,
        results: &Results,
        other_work: &(dyn Fn() -> bool + Sync),
    ) -> Result<Option<(StageOutput, f64)>, EngineError> {
        let stage = task.stage;
        let inputs = stage.inputs.iter().map(|port| {
            let artifacts = port.sources.iter().map(|source| results.artifact(source).clone());
            (port.port, artifacts.collect())
        });
        let name = task.name();
        let progress = ProgressLog::new(self.observer.progress(), task.log, name.clone());
        let context = StageContext::new(
            self.store,
            task.ingredients,
            inputs.collect(),
            self.device,
            &progress,
            self.cancelled,
        )
        .with_other_work(other_work);
        match catch_unwind(AssertUnwindSafe(|| stage.stage.run(&context))) {
            Ok(Ok(output)) => Ok(Some((output, progress.share()))),
            Ok(Err(StageError::Deferred)) => Ok(None),
            Ok(Err(StageError::Changed { input })) => {
                // Its digest may have been remembered, and then found to be that of other bytes.
                self.digests.forget();
                Err(EngineError::Changed { stage: name, input })
            }
            Ok(Err(StageError::Interrupted)) => Err(EngineError::Interrupted { run: task.log.id() }),
            Ok(Err(source @ StageError::Configuration(_))) => {
                Err(EngineError::setup(task.pipeline, stage, source))
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
        task: &Task<'_>,
        results: &Results,
        output: StageOutput,
        (started, clock): (Timestamp, Instant),
    ) -> Result<ActionRecord, EngineError> {
        let stage = task.stage.stage.as_ref();
        let preimage = self.store.records().put_preimage(task.ingredients.preimage())?;
        let mut record = ActionRecord::new(*task.key(), preimage, stage.kind(), stage.revision());
        record.outputs = output.outputs;
        record.metrics = output.metrics;
        record.inputs = input_records(task, results);
        record.started = started;
        record.ended = Timestamp::now();
        record.cost_seconds = clock.elapsed().as_secs_f64();
        record.run = Some(task.log.id());
        let dtype = stage.dtype().map(|dtype| dtype.name().to_owned());
        record.producer = Producer {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            device: dtype.as_ref().and_then(|_| self.device.name()),
            dtype,
            host: Some(task.log.record().host),
        };
        Ok(record)
    }
}

/// Lists what a stage read: a port by its name, an entry of a list port as `port[n]`, a file as `external:name`.
fn input_records(task: &Task<'_>, results: &Results) -> BTreeMap<String, InputRecord> {
    let mut inputs = BTreeMap::new();
    for port in &task.stage.inputs {
        for (index, source) in port.sources.iter().enumerate() {
            let name = if port.many {
                format!("{}[{index}]", port.port)
            } else {
                port.port.to_owned()
            };
            let content = results.artifact(source).content;
            let stage = Some(results.of(source).record.key);
            inputs.insert(name, InputRecord { content, stage });
        }
    }
    for (name, &content) in task.ingredients.external() {
        inputs.insert(format!("external:{name}"), InputRecord { content, stage: None });
    }
    inputs
}
