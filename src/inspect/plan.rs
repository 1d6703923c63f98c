//! What a run would do, stage by stage.

use mitune_store::{Difference, StageKey, Value};
use serde::Serialize;

use super::key_change::as_key_changes;
use crate::engine::{Cause, CostEstimate, Plan, PlanState, PlannedStage, shortened};
use crate::pipeline::{Pipeline, PipelineStage};

/// What a run would do.
#[derive(Debug, Serialize)]
pub(crate) struct PlanOverview {
    pub(crate) pipeline: String,
    /// What the stages that compute will take, as far as it is known.
    pub(crate) seconds: Option<f64>,
    /// In the order of the pipeline.
    pub(crate) stages: Vec<StagePlan>,
}

/// What a run would do at one stage.
#[derive(Debug, Serialize)]
pub(crate) struct StagePlan {
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    pub(crate) state: StageState,
    /// None as long as inputs are not computed.
    pub(crate) key: Option<StageKey>,
    /// Why the stage computes, in one line; empty if it does not.
    pub(crate) why: String,
    /// Parts of the key that changed since the last time.
    #[serde(serialize_with = "as_key_changes")]
    pub(crate) changes: Vec<Difference>,
    pub(crate) cost: Option<CostEstimate>,
    /// An earlier stage that surely has the same key, so that only one of them computes.
    pub(crate) same_as: Option<String>,
    /// What the key is derived from.
    pub(crate) preimage: Option<Value>,
}

/// Whether a stage will compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum StageState {
    /// The store has the result.
    Hit,
    /// It will compute.
    Miss,
    /// It depends on stages that will compute.
    Pending,
}

impl PlanOverview {
    /// Gathers what is known of the plan of a pipeline.
    pub(crate) fn new(pipeline: &Pipeline, plan: &Plan) -> Self {
        let stages = pipeline.stages.iter().zip(&plan.stages);
        Self {
            pipeline: pipeline.spec.name.clone(),
            seconds: plan.seconds(),
            stages: stages
                .map(|(stage, planned)| StagePlan::new(pipeline, stage, planned))
                .collect(),
        }
    }

    /// Counts the stages in a state.
    pub(crate) fn count(&self, state: StageState) -> usize {
        self.stages.iter().filter(|stage| stage.state == state).count()
    }
}

impl StagePlan {
    fn new(pipeline: &Pipeline, stage: &PipelineStage, planned: &PlannedStage) -> Self {
        let (state, changes) = match &planned.state {
            PlanState::Hit(_) => (StageState::Hit, Vec::new()),
            PlanState::Pending { .. } => (StageState::Pending, Vec::new()),
            PlanState::Miss(explanation) => match &explanation.cause {
                Cause::Changed(changes) => (StageState::Miss, changes.clone()),
                _ => (StageState::Miss, Vec::new()),
            },
        };
        Self {
            name: stage.name.to_string(),
            kind: stage.stage.kind(),
            state,
            key: planned.key,
            why: why(pipeline, planned),
            changes,
            cost: planned.cost().cloned(),
            same_as: planned.twin.map(|twin| pipeline.stages[twin].name.to_string()),
            preimage: planned.preimage.clone(),
        }
    }

    /// What this stage itself adds to the cost of a run.
    pub(crate) fn own_cost(&self) -> Option<&CostEstimate> {
        self.cost.as_ref().filter(|_| self.same_as.is_none())
    }
}

impl StageState {
    /// Names the state as JSON does.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Pending => "pending",
        }
    }
}

fn why(pipeline: &Pipeline, planned: &PlannedStage) -> String {
    let reason = match &planned.state {
        PlanState::Hit(_) => return String::new(),
        PlanState::Miss(explanation) => explanation.summary(),
        PlanState::Pending { waits_for, .. } => {
            let names: Vec<String> = waits_for
                .iter()
                .map(|&index| pipeline.stages[index].name.to_string())
                .collect();
            format!("waits for {}", shortened(&names))
        }
    };
    match planned.twin {
        Some(twin) => format!("same as {}; {reason}", pipeline.stages[twin].name),
        None => reason,
    }
}
