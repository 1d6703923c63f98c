//! What a run would do, and why.

use std::collections::BTreeMap;

use mitune_stages::contract::ExternalDigests;
use mitune_store::{ActionRecord, Lookup, MissReason, StageKey, Store, Value};

use super::context::Engine;
use super::cost::CostEstimate;
use super::error::EngineError;
use super::explanation::{Explainer, Explanation, estimate};
use super::ingredients::ingredients;
use super::prepare::prepare;
use super::result_check::check_record;
use crate::pipeline::{Pipeline, PipelineStage, Source};

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
    /// Rows of the outputs, or what they were the last time.
    rows: BTreeMap<String, u64>,
}

/// Whether a stage will compute.
#[derive(Debug)]
pub enum PlanState {
    /// The store has the result.
    Hit(Box<ActionRecord>),
    /// The stage will compute.
    Miss(Explanation),
    /// It depends on other stages which will compute: equal results of theirs may still spare this one.
    Pending {
        /// Those stages.
        waits_for: Vec<usize>,
        /// What it will cost unless it is spared.
        cost: Option<CostEstimate>,
    },
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
}

impl Plan {
    fn make(pipeline: &Pipeline, store: &Store, digests: &dyn ExternalDigests) -> Result<Self, EngineError> {
        let prepared = prepare(pipeline, digests)?;
        let salt = pipeline.spec.salt.as_deref();
        let mut explainer = Explainer::new(store);
        let mut stages: Vec<PlannedStage> = Vec::new();
        // Keys in which a pending input counts as the symbol of the stage it comes from: equal symbols, equal results.
        let mut symbols: Vec<StageKey> = Vec::new();
        for (stage, prepared) in pipeline.stages.iter().zip(&prepared) {
            let ingredients = ingredients(stage, prepared, salt, |source| {
                known_or_symbol(source, &stages, &symbols)
            })?;
            let (symbol, value) = (*ingredients.key(), ingredients.preimage());
            let twin = symbols.iter().position(|other| *other == symbol);
            check_rows(pipeline, stage, &stages)?;
            let (state, rows) = plan_stage(stage, value, symbol, &stages, store, &mut explainer)?;
            let known = !matches!(state, PlanState::Pending { .. });
            stages.push(PlannedStage {
                key: known.then_some(symbol),
                preimage: known.then(|| value.clone()),
                state,
                twin,
                rows,
            });
            symbols.push(symbol);
        }
        Ok(Self { stages })
    }

    /// Returns true if a run would compute nothing.
    pub fn is_complete(&self) -> bool {
        self.stages.iter().all(|stage| stage.record().is_some())
    }

    /// Adds up what the stages that compute will cost, as far as it is known; a stage with a twin costs nothing.
    pub fn seconds(&self) -> Option<f64> {
        let own = self.stages.iter().filter(|stage| stage.twin.is_none());
        let costs: Vec<f64> = own.filter_map(|stage| Some(stage.cost()?.seconds)).collect();
        (!costs.is_empty()).then(|| costs.iter().sum())
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

    /// Returns what computing the stage will cost, if it will compute and a similar one ever did.
    pub fn cost(&self) -> Option<&CostEstimate> {
        match &self.state {
            PlanState::Hit(_) => None,
            PlanState::Miss(explanation) => explanation.cost.as_ref(),
            PlanState::Pending { cost, .. } => cost.as_ref(),
        }
    }
}

/// Works out what a run would do at one stage, and how many rows its outputs are likely to have.
fn plan_stage(
    stage: &PipelineStage,
    value: &Value,
    symbol: StageKey,
    stages: &[PlannedStage],
    store: &Store,
    explainer: &mut Explainer<'_>,
) -> Result<(PlanState, BTreeMap<String, u64>), EngineError> {
    let rows = |port: &str| {
        let port = stage.inputs.iter().find(|input| input.port == port)?;
        let sources = port.sources.iter();
        sources
            .map(|source| stages[source.stage].rows.get(source.output))
            .sum()
    };
    let waits_for: Vec<usize> = stage
        .depends_on()
        .into_iter()
        .filter(|&source| stages[source].record().is_none())
        .collect();
    if !waits_for.is_empty() {
        let earlier = explainer.earlier(stage, value)?;
        let cost = estimate(earlier.as_ref(), stage, &rows);
        let likely = earlier.map(|earlier| output_rows(&earlier.record));
        return Ok((PlanState::Pending { waits_for, cost }, likely.unwrap_or_default()));
    }
    let found = match store.records().peek(&symbol) {
        Lookup::Hit(record) => match check_record(store, stage, &record, &rows) {
            Ok(()) => Lookup::Hit(record),
            // A run will disown it.
            Err(reason) => Lookup::Miss(MissReason::Corrupt {
                what: format!("Action record `{}`", symbol.short()),
                reason,
            }),
        },
        miss => miss,
    };
    Ok(match found {
        Lookup::Hit(record) => {
            let rows = output_rows(&record);
            (PlanState::Hit(record), rows)
        }
        Lookup::Miss(reason) => {
            let explanation = explainer.explain(stage, value, reason, &rows)?;
            let likely = explainer
                .earlier(stage, value)?
                .map(|earlier| output_rows(&earlier.record));
            (PlanState::Miss(explanation), likely.unwrap_or_default())
        }
    })
}

/// Has a stage look at the rows of those of its inputs that are computed.
fn check_rows(
    pipeline: &Pipeline,
    stage: &PipelineStage,
    stages: &[PlannedStage],
) -> Result<(), EngineError> {
    let rows = |port: &str| {
        let port = stage.inputs.iter().find(|input| input.port == port)?;
        let known = |source: &Source| stages[source.stage].record()?.outputs.get(source.output)?.rows;
        port.sources.iter().map(known).sum()
    };
    let checked = stage.stage.check_rows(&rows);
    checked.map_err(|source| EngineError::setup(pipeline, stage, source))
}

fn output_rows(record: &ActionRecord) -> BTreeMap<String, u64> {
    let outputs = record.outputs.iter();
    outputs
        .filter_map(|(name, artifact)| Some((name.clone(), artifact.rows?)))
        .collect()
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
