//! What judges say of the arms of a run: how their numbers lie, and what was forgotten.

use mitune_store::Store;

use super::super::error::ReportError;
use super::super::model::{ComparedColumn, Forgetting, JudgedDistribution, MeasuredSets};
use super::compared_tables::compared_tables;
use super::distributions::distributions;
use super::forgetting::ForgettingSources;
use super::graph::RunGraph;
use super::judged_arms::{JudgedArms, JudgedTable};
use super::pools::Pool;
use super::prompt_groups::PromptGroups;

/// What a report says of the arms of a run.
pub(super) struct OverArms {
    pub(super) distributions: Vec<JudgedDistribution>,
    pub(super) forgetting: Vec<Forgetting>,
}

/// The pools of a run, and those of them that belong together: the base and the tuned models on the same prompts.
#[derive(Clone, Copy)]
pub(super) struct ArmPools<'a> {
    pub(super) all: &'a [Pool<'a>],
    pub(super) together: &'a [&'a Pool<'a>],
}

/// Looks at the tables of judges and at comparisons over arms.
pub(super) fn over_arms(
    store: &Store,
    graph: &RunGraph,
    pools: ArmPools<'_>,
    tables: &[JudgedTable<'_>],
    comparisons: &[ComparedColumn],
    sets: &[MeasuredSets],
) -> Result<OverArms, ReportError> {
    let compared = compared_tables(graph, comparisons);
    let mut groups = PromptGroups::new(store, graph);
    let arms = JudgedArms {
        graph,
        pools: pools.all,
        tables,
        compared: &compared,
        together: pools.together,
    };
    let forgetting = ForgettingSources {
        graph,
        pools: pools.all,
        compared: &compared,
        sets,
    };
    Ok(OverArms {
        distributions: distributions(store, graph, &arms, &mut groups)?,
        forgetting: forgetting.tables(&mut groups)?,
    })
}
