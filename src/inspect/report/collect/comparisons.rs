//! What stages found that compared arms by a column.

use std::collections::BTreeSet;

use mitune_stages::compare::{Arm, ArmGroup, ColumnComparison};
use mitune_store::{Store, StoreError};

use super::super::error::ReportError;
use super::super::model::{ComparedArm, ComparedColumn, ComparedGroup, Interval};
use super::graph::RunGraph;
use super::tables::Table;

/// Reads the results of all stages that compare columns.
pub(super) fn comparisons(store: &Store, graph: &RunGraph) -> Result<Vec<ComparedColumn>, ReportError> {
    let mut comparisons = Vec::new();
    for stage in graph.of_kind("compare") {
        let Some(source) = graph.output(stage, "summary") else {
            continue;
        };
        let found: ColumnComparison = match store.artifacts().read_json(source.artifact) {
            Ok(found) => found,
            // Written by another version, which named no arms.
            Err(StoreError::Json { .. }) => continue,
            Err(error) => return Err(Table { store, graph, source }.error(error)),
        };
        let arms = found.baseline.iter().chain(&found.arms);
        let groups: BTreeSet<String> = arms.flat_map(|arm| arm.groups.keys().cloned()).collect();
        let groups: Vec<String> = groups.into_iter().collect();
        comparisons.push(ComparedColumn {
            origin: graph.origin(stage),
            column: found.column,
            confidence: found.bootstrap.confidence,
            group_by: found.group_by,
            baseline: found.baseline.map(|one| arm(one, &groups)),
            arms: found.arms.into_iter().map(|one| arm(one, &groups)).collect(),
            groups,
        });
    }
    Ok(comparisons)
}

fn arm(arm: Arm, groups: &[String]) -> ComparedArm {
    let difference = arm.difference.as_ref();
    ComparedArm {
        images: arm.images,
        mean: arm.mean.map(Interval::of),
        difference: difference
            .and_then(|difference| difference.mean)
            .map(Interval::difference),
        // Results of earlier versions have no win rate of their own.
        wins: difference
            .and_then(|difference| difference.wins.or(difference.higher))
            .map(Interval::of),
        groups: groups.iter().map(|name| group(arm.groups.get(name))).collect(),
        name: arm.name,
    }
}

fn group(group: Option<&ArmGroup>) -> ComparedGroup {
    ComparedGroup {
        mean: group.and_then(|group| group.mean).map(Interval::of),
        difference: group.and_then(|group| group.difference).map(Interval::difference),
        wins: group.and_then(|group| group.wins).map(Interval::of),
    }
}
