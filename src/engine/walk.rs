//! The way of one process through the stages of a pipeline.
//!
//! Any number of processes walk the same pipeline at the same time. Each takes the first stage, in the order of the
//! pipeline, whose inputs are there and that no other process computes. Once none is left it joins another process in a
//! stage whose items are shared, and goes on to the next one when all items there are taken. Once there is no such stage
//! either, it waits. A process that is alone thus computes one stage after the other.

use std::collections::BTreeMap;
use std::time::Instant;

use mitune_stages::contract::KeyIngredients;
use mitune_store::{ActionRecord, MissReason, RunLog, StageKey};

use super::context::Engine;
use super::error::EngineError;
use super::events;
use super::explanation::Explainer;
use super::ingredients::ingredients;
use super::left_stages::LeftStages;
use super::prepare::Prepared;
use super::progress_log::ProgressLog;
use super::ready_set::ReadySet;
use super::results::{Outcome, Results, StageResult};
use super::survey::Survey;
use super::task::Task;
use super::turn::Turn;
use super::waiting::Waiting;
use crate::pipeline::{Pipeline, PipelineStage, Source};

/// How far a process has come.
pub(super) struct Walk<'a> {
    engine: &'a Engine<'a>,
    pipeline: &'a Pipeline,
    prepared: &'a [Prepared],
    log: &'a RunLog,
    explainer: Explainer<'a>,
    ready: ReadySet,
    results: Results,
    /// Stages that other processes compute, each key once.
    held: BTreeMap<usize, Held>,
    left: LeftStages,
    waiting: Waiting<'a>,
    /// The stage that was told of last.
    told: Option<usize>,
    /// The stage and the number of results that the record of the run named last.
    named: Option<(usize, usize)>,
}

/// A stage that another process computes.
struct Held {
    key: StageKey,
    /// That process.
    holder: String,
    /// Why the store has no result.
    reason: MissReason,
}

impl<'a> Walk<'a> {
    /// Begins with no results.
    pub(super) fn new(
        engine: &'a Engine<'a>,
        pipeline: &'a Pipeline,
        prepared: &'a [Prepared],
        log: &'a RunLog,
    ) -> Self {
        let depends_on: Vec<Vec<usize>> = pipeline.stages.iter().map(PipelineStage::depends_on).collect();
        Self {
            engine,
            pipeline,
            prepared,
            log,
            explainer: Explainer::new(engine.store),
            ready: ReadySet::new(&depends_on),
            results: Results::default(),
            held: BTreeMap::new(),
            left: LeftStages::default(),
            waiting: Waiting::new(),
            told: None,
            named: None,
        }
    }

    /// Goes on until every stage has its result, or one cannot be computed.
    pub(super) fn run(mut self) -> Result<Results, EngineError> {
        while !self.ready.is_complete() {
            if let Some(stage) = self.ready.first() {
                self.visit(stage)?;
            } else if let Some(stage) = self.joinable() {
                self.join(stage)?;
            } else {
                self.wait()?;
            }
        }
        self.waiting.end();
        Ok(self.results)
    }

    /// Takes over the result of a stage, or computes it, or sets it aside.
    fn visit(&mut self, stage: usize) -> Result<(), EngineError> {
        let begun = Instant::now();
        let ingredients = self.ingredients(stage)?;
        if self.held.values().any(|held| held.key == *ingredients.key()) {
            self.ready.set_aside(stage);
            return Ok(());
        }
        let task = self.task(stage, &ingredients);
        match self.engine.turn(&task, &self.results)? {
            Turn::Found(record) => {
                if self.log.is_recorded() {
                    self.engine
                        .store
                        .records()
                        .mend_preimage(&record, ingredients.preimage())?;
                }
                self.finish(stage, Outcome::Reused, *record, begun)
            }
            Turn::Ours { lease, reason } => {
                let computed = self.compute(stage, &task, reason)?;
                // The result is there: whoever waits for it may have it.
                drop(lease);
                self.settle(stage, *task.key(), computed, begun)
            }
            Turn::Held { holder, reason } => {
                let (key, holder) = (*task.key(), holder.to_string());
                self.ready.set_aside(stage);
                self.held.insert(stage, Held { key, holder, reason });
                Ok(())
            }
        }
    }

    /// Chooses among the stages in which another process may be joined.
    fn joinable(&self) -> Option<usize> {
        let shares = |stage: usize| self.pipeline.stages[stage].stage.shares_work();
        let held = self.held.iter().map(|(&stage, held)| (stage, held.key));
        let shared: Vec<(usize, StageKey)> = held.filter(|(stage, _)| shares(*stage)).collect();
        self.left.choose(&shared, std::process::id() as usize)
    }

    /// Computes items of a stage that another process computes, too.
    fn join(&mut self, stage: usize) -> Result<(), EngineError> {
        let Some(held) = self.held.remove(&stage) else {
            return Ok(());
        };
        let begun = Instant::now();
        let ingredients = self.ingredients(stage)?;
        let task = self.task(stage, &ingredients);
        let computed = self.compute(stage, &task, held.reason)?;
        self.settle(stage, *task.key(), computed, begun)
    }

    /// Rests a while, then has all stages looked at again.
    fn wait(&mut self) -> Result<(), EngineError> {
        if let Some((stage, held)) = self.held.pop_first() {
            let ingredients = self.ingredients(stage)?;
            let task = self.task(stage, &ingredients);
            self.announce(stage, &task, held.reason)?;
            let (shown, log) = (self.engine.observer.progress(), self.log);
            self.waiting
                .tell(stage, &held.holder, || ProgressLog::new(shown, log, task.name()));
            if !self.waiting.rest(self.engine.cancelled) {
                // The stage is another process's, which goes on with it.
                return Err(EngineError::Interrupted { run: self.log.id() });
            }
        }
        self.look_again();
        Ok(())
    }

    /// Computes a stage; none if it was put off because there is other work.
    fn compute(
        &mut self,
        stage: usize,
        task: &Task<'_>,
        reason: MissReason,
    ) -> Result<Option<ActionRecord>, EngineError> {
        self.announce(stage, task, reason)?;
        self.waiting.end();
        let survey = Survey {
            store: self.engine.store,
            pipeline: self.pipeline,
            prepared: self.prepared,
            ready: &self.ready,
            results: &self.results,
            left: &self.left,
            asking: *task.key(),
        };
        self.engine
            .compute(task, &self.results, &|| survey.finds_work())
            .inspect_err(|error| events::stopped(self.log, task.stage, error))
    }

    /// Takes over what was computed of a stage, or comes back to it later.
    fn settle(
        &mut self,
        stage: usize,
        key: StageKey,
        computed: Option<ActionRecord>,
        begun: Instant,
    ) -> Result<(), EngineError> {
        if let Some(record) = computed {
            self.finish(stage, Outcome::Computed, record, begun)?;
            self.look_again();
        } else {
            self.left.leave(key);
            self.look_again();
            // The others first.
            self.ready.set_aside(stage);
        }
        Ok(())
    }

    /// Takes note of a result.
    fn finish(
        &mut self,
        stage: usize,
        outcome: Outcome,
        record: ActionRecord,
        begun: Instant,
    ) -> Result<(), EngineError> {
        if self.waiting.is_for(stage) {
            self.waiting.end();
        }
        self.waiting.be_quick();
        self.left.forget();
        if outcome == Outcome::Computed {
            // What a killed run leaves unsent is at most one stage.
            self.engine.store.flush_remotes();
        }
        let (named, time) = (&self.pipeline.stages[stage], begun.elapsed());
        let result = StageResult { outcome, record };
        events::finished(self.log, named, &result, time)?;
        self.engine.observer.stage_finished(stage, named, outcome, time);
        self.results.insert(stage, result);
        self.ready.done(stage);
        Ok(())
    }

    /// Has the stages that others computed a while ago looked at again.
    fn look_again(&mut self) {
        self.held.clear();
        self.ready.look_again();
    }

    /// Tells that a stage is computed here, or waited for.
    fn announce(&mut self, stage: usize, task: &Task<'_>, reason: MissReason) -> Result<(), EngineError> {
        self.name_stages(stage, task)?;
        if self.told == Some(stage) {
            return Ok(());
        }
        self.waiting.end();
        let value = task.ingredients.preimage();
        let rows = |port: &str| self.results.rows(task.stage, port);
        let explanation = self.explainer.explain(task.stage, value, reason, &rows)?;
        events::started(self.log, task.stage, *task.key(), &explanation)?;
        self.engine
            .observer
            .stage_started(stage, task.stage, &explanation);
        self.told = Some(stage);
        Ok(())
    }

    /// Names a stage and all results in the record of the run: hours may pass now, and what this run found so far must
    /// not be collected meanwhile.
    fn name_stages(&mut self, stage: usize, task: &Task<'_>) -> Result<(), EngineError> {
        let now = Some((stage, self.results.count()));
        if self.named != now {
            self.log.update(|record| {
                self.results.name_stages(self.pipeline, record);
                record.stages.insert(task.name(), *task.key());
            })?;
            self.named = now;
        }
        Ok(())
    }

    fn ingredients(&self, stage: usize) -> Result<KeyIngredients, EngineError> {
        let salt = self.pipeline.spec.salt.as_deref();
        let content = |source: &Source| self.results.content(source);
        let (stage, prepared) = (&self.pipeline.stages[stage], &self.prepared[stage]);
        Ok(ingredients(stage, prepared, salt, content)?)
    }

    fn task<'t>(&self, stage: usize, ingredients: &'t KeyIngredients) -> Task<'t>
    where
        'a: 't,
    {
        Task {
            pipeline: self.pipeline,
            stage: &self.pipeline.stages[stage],
            ingredients,
            log: self.log,
        }
    }
}
