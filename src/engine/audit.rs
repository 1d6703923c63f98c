//! Computing results again, to see whether they come out the same.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use mitune_store::{Artifact, Lookup, RunLog, RunStatus, StageKey, Store};
use serde::Serialize;

use super::context::Engine;
use super::error::EngineError;
use super::ingredients::ingredients;
use super::prepare::prepare;
use super::results::{Outcome, Results, StageResult};
use super::task::Task;
use crate::pipeline::{Pipeline, Source};

/// A result that was computed again.
#[derive(Debug, Serialize)]
pub struct Audited {
    /// Name of the stage.
    pub stage: String,
    /// Its key.
    pub key: StageKey,
    /// Time of the computation.
    pub time: Duration,
    /// Outputs that came out with another content: the recorded one, and the one of now.
    pub differing: BTreeMap<String, (Artifact, Artifact)>,
}

impl Engine<'_> {
    /// Lists the stages of a pipeline whose results the store has, up to the first that waits for one it lacks.
    ///
    /// # Errors
    /// Those of [`Engine::plan`].
    pub fn hits(&self, pipeline: &Pipeline) -> Result<Vec<usize>, EngineError> {
        let plan = self.plan(pipeline)?;
        let stages = plan.stages.iter().enumerate();
        Ok(stages
            .filter(|(_, stage)| stage.record().is_some())
            .map(|(index, _)| index)
            .collect())
    }

    /// Computes some stages again in a scratch store, which reads its inputs through, and compares contents.
    ///
    /// # Errors
    /// [`EngineError`] at the first stage that cannot be computed.
    pub fn audit(
        &self,
        pipeline: &Pipeline,
        chosen: &[usize],
        scratch: &Store,
    ) -> Result<Vec<Audited>, EngineError> {
        let prepared = prepare(pipeline, self.digests)?;
        let log = RunLog::create(scratch, &pipeline.spec.name)?;
        let again = Engine {
            store: scratch,
            ..*self
        };
        self.observer.run_started(&log.id(), pipeline);
        let mut results = Results::default();
        let mut audited = Vec::new();
        for (index, (stage, prepared)) in pipeline.stages.iter().zip(&prepared).enumerate() {
            if chosen.iter().all(|chosen| *chosen < index) {
                break;
            }
            let salt = pipeline.spec.salt.as_deref();
            let content = |source: &Source| results.content(source);
            let ingredients = ingredients(stage, prepared, salt, content)?;
            let key = *ingredients.key();
            let Lookup::Hit(record) = self.look_up(stage, &key, &results)? else {
                break;
            };
            if chosen.contains(&index) {
                let started = Instant::now();
                let task = Task {
                    pipeline,
                    stage,
                    ingredients: &ingredients,
                    log: &log,
                };
                // Nothing is put off without other work.
                let Some(found) = again.compute(&task, &results, &|| false)? else {
                    break;
                };
                let pairs = record.outputs.iter().filter_map(|(port, recorded)| {
                    let now = found.outputs.get(port)?;
                    let pair = (recorded.clone(), now.clone());
                    (recorded.content != now.content).then_some((port.clone(), pair))
                });
                audited.push(Audited {
                    stage: stage.name.to_string(),
                    key,
                    differing: pairs.collect(),
                    time: started.elapsed(),
                });
            }
            let (outcome, record) = (Outcome::Reused, *record);
            results.insert(index, StageResult { outcome, record });
        }
        log.finish(RunStatus::Succeeded)?;
        Ok(audited)
    }
}
