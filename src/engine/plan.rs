//! What a run would do, and why.

use mitune_stages::stage::ExternalDigests;
use mitune_store::{ActionRecord, Difference, Lookup, MissReason, StageKey, Store, Value, differences};

use super::error::EngineError;
use super::preimage::preimage;
use super::prepare::prepare;
use crate::pipeline::{Pipeline, Source};

/// What a run would do.
#[derive(Debug)]
pub struct Plan {
    /// One entry per stage of the pipeline, in its order.
    pub stages: Vec<PlannedStage>,
}

/// What a run would do at one stage.
#[derive(Debug)]
pub struct PlannedStage {
    /// The key, `None` as long as inputs are not computed.
    pub key: Option<StageKey>,
    /// What the key is derived from.
    pub preimage: Option<Value>,
    /// Hit, miss or pending.
    pub state: PlanState,
    /// An earlier stage of this pipeline that surely has the same key, so that only one of them computes.
    pub twin: Option<usize>,
}

/// Whether a stage will compute.
#[derive(Debug)]
pub enum PlanState {
    /// The store has the result.
    Hit(Box<ActionRecord>),
    /// The stage will compute.
    Miss(Cause),
    /// It depends on these stages, which will compute: equal results of theirs may still spare this one.
    Pending(Vec<usize>),
}

/// Why a stage will compute.
#[derive(Debug)]
pub enum Cause {
    /// Nothing like it was computed before.
    New,
    /// Compared with the last time, these parts of the key changed: before on the left, now on the right.
    Changed(Vec<Difference>),
    /// It was computed, but the result is lost.
    Lost(MissReason),
}

impl Plan {
    /// Works out what a run would do, without changing anything.
    pub(super) fn make(
        pipeline: &Pipeline,
        store: &Store,
        digests: &dyn ExternalDigests,
    ) -> Result<Self, EngineError> {
        let prepared = prepare(pipeline, digests)?;
        let salt = pipeline.spec.salt.as_deref();
        let mut stages: Vec<PlannedStage> = Vec::new();
        // Keys in which a pending input counts as the symbol of the stage it comes from: equal symbols, equal results.
        let mut symbols: Vec<StageKey> = Vec::new();
        for (stage, prepared) in pipeline.stages.iter().zip(&prepared) {
            let waits_for: Vec<usize> = stage
                .depends_on()
                .into_iter()
                .filter(|&source| stages[source].record().is_none())
                .collect();
            let value = preimage(stage, prepared, salt, |source| {
                known_or_symbol(source, &stages, &symbols)
            });
            let symbol = StageKey::derive(&value)?;
            let twin = symbols.iter().position(|other| *other == symbol);
            let planned = if waits_for.is_empty() {
                let state = match store.peek(&symbol) {
                    Lookup::Hit(record) => PlanState::Hit(record),
                    Lookup::Miss(MissReason::NotRecorded) => PlanState::Miss(why_new(
                        store,
                        stage.stage.kind(),
                        &stage.name.to_string(),
                        &value,
                    )?),
                    Lookup::Miss(reason) => PlanState::Miss(Cause::Lost(reason)),
                };
                PlannedStage {
                    key: Some(symbol),
                    preimage: Some(value),
                    state,
                    twin,
                }
            } else {
                PlannedStage {
                    key: None,
                    preimage: None,
                    state: PlanState::Pending(waits_for),
                    twin,
                }
            };
            stages.push(planned);
            symbols.push(symbol);
        }
        Ok(Self { stages })
    }

    /// Returns true if a run would compute nothing.
    pub fn is_complete(&self) -> bool {
        self.stages.iter().all(|stage| stage.record().is_some())
    }
}

impl PlannedStage {
    /// Returns the result, if the store has it.
    pub fn record(&self) -> Option<&ActionRecord> {
        match &self.state {
            PlanState::Hit(record) => Some(record),
            _ => None,
        }
    }
}

fn known_or_symbol(source: &Source, stages: &[PlannedStage], symbols: &[StageKey]) -> Value {
    let content = stages[source.stage]
        .record()
        .and_then(|record| record.outputs.get(source.output));
    Value::Text(match content {
        Some(artifact) => artifact.content.to_string(),
        None => format!("{}:{}", symbols[source.stage], source.output),
    })
}

fn why_new(store: &Store, kind: &str, name: &str, value: &Value) -> Result<Cause, EngineError> {
    Ok(match store.nearest(kind, name, value)? {
        Some(earlier) => Cause::Changed(differences(&earlier, value)),
        None => Cause::New,
    })
}
