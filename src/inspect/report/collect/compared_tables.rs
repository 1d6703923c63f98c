//! The tables behind comparisons.

use super::super::model::ComparedColumn;
use super::graph::{RunGraph, Source};

/// A comparison with the tables that it compared.
pub(super) struct ComparedTables<'a> {
    pub(super) comparison: &'a ComparedColumn,
    pub(super) baseline: Option<Source<'a>>,
    /// In the order of the arms of the comparison; none for one whose table is not of this run.
    pub(super) arms: Vec<Option<Source<'a>>>,
}

/// Finds the tables of comparisons.
pub(super) fn compared_tables<'a>(
    graph: &'a RunGraph,
    comparisons: &'a [ComparedColumn],
) -> Vec<ComparedTables<'a>> {
    let of_stage = |stage: usize| {
        let origin = graph.origin(stage);
        let comparison = comparisons.iter().find(|one| one.origin == origin)?;
        let arms = 0..comparison.arms.len();
        Some(ComparedTables {
            comparison,
            baseline: graph.input(stage, "baseline"),
            arms: arms
                .map(|arm| graph.input(stage, &format!("tables[{arm}]")))
                .collect(),
        })
    };
    graph.of_kind("compare").filter_map(of_stage).collect()
}
