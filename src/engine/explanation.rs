//! Why a stage computes, and what it will cost.

use mitune_store::{Difference, Earlier, History, MissReason, Store, StoreError, Value, differences};

use super::cost::CostEstimate;
use crate::pipeline::PipelineStage;

/// Why a stage computes, and what it will cost.
#[derive(Debug)]
pub struct Explanation {
    /// Why.
    pub cause: Cause,
    /// What it will cost, `None` if nothing like it was computed before.
    pub cost: Option<CostEstimate>,
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

/// Compares stages that must compute with what was computed before.
///
/// The history is read when the first stage misses, so that a run that finds everything pays nothing for it.
pub(super) struct Explainer<'a> {
    store: &'a Store,
    history: Option<History>,
}

impl<'a> Explainer<'a> {
    pub(super) fn new(store: &'a Store) -> Self {
        Self { store, history: None }
    }

    /// Explains a miss; `rows` gives the number of rows on each port.
    pub(super) fn explain(
        &mut self,
        stage: &PipelineStage,
        value: &Value,
        reason: MissReason,
        rows: &dyn Fn(&str) -> Option<u64>,
    ) -> Result<Explanation, StoreError> {
        let earlier = self.earlier(stage, value)?;
        let cost = estimate(earlier.as_ref(), stage, rows);
        let cause = match (reason, earlier) {
            (MissReason::NotRecorded, Some(earlier)) => Cause::Changed(differences(&earlier.preimage, value)),
            (MissReason::NotRecorded, None) => Cause::New,
            (lost, _) => Cause::Lost(lost),
        };
        Ok(Explanation { cause, cost })
    }

    /// Finds the computation that a stage is compared with.
    pub(super) fn earlier(
        &mut self,
        stage: &PipelineStage,
        value: &Value,
    ) -> Result<Option<Earlier>, StoreError> {
        let history = match &mut self.history {
            Some(history) => history,
            none => none.insert(self.store.catalog().history()?),
        };
        history.nearest(stage.stage.kind(), &stage.name.to_string(), value)
    }
}

/// Judges the cost of a stage by an earlier computation.
pub(super) fn estimate(
    earlier: Option<&Earlier>,
    stage: &PipelineStage,
    rows: &dyn Fn(&str) -> Option<u64>,
) -> Option<CostEstimate> {
    CostEstimate::judge(&earlier?.record, stage.stage.effort(rows))
}
