//! Arms that were tuned on one group of prompts and tested on all.

use std::collections::BTreeSet;

use super::super::error::ReportError;
use super::super::model::{
    ComparedArm, Forgetting, ForgettingArm, ForgettingCell, Interval, MeasuredSets, Origin,
};
use super::compared_tables::ComparedTables;
use super::graph::{RunGraph, Source};
use super::pools::{Pool, pool_of};
use super::prompt_groups::PromptGroups;

/// What the table is made of.
pub(super) struct ForgettingSources<'a> {
    pub(super) graph: &'a RunGraph,
    pub(super) pools: &'a [Pool<'a>],
    pub(super) compared: &'a [ComparedTables<'a>],
    pub(super) sets: &'a [MeasuredSets],
}

impl ForgettingSources<'_> {
    /// Makes a table of every comparison by groups with an arm that was tuned on one of them alone.
    pub(super) fn tables(&self, groups: &mut PromptGroups<'_>) -> Result<Vec<Forgetting>, ReportError> {
        let mut tables = Vec::new();
        for compared in self.compared {
            if let Some(group_by) = &compared.comparison.group_by {
                tables.extend(self.table(compared, group_by, groups)?);
            }
        }
        Ok(tables)
    }

    fn table(
        &self,
        compared: &ComparedTables<'_>,
        group_by: &str,
        groups: &mut PromptGroups<'_>,
    ) -> Result<Option<Forgetting>, ReportError> {
        let comparison = compared.comparison;
        if comparison.groups.len() < 2 {
            return Ok(None);
        }
        let mut arms = Vec::new();
        let mut measured_by: Option<&MeasuredSets> = None;
        let baseline = comparison.baseline.iter().zip([compared.baseline]);
        for (arm, source) in baseline.chain(comparison.arms.iter().zip(compared.arms.iter().copied())) {
            let pool = source.and_then(|source| pool_of(self.graph, self.pools, source));
            let tuned_on = match pool {
                Some(pool) => self.tuned_on(pool, group_by, groups)?,
                None => None,
            };
            let diversity = pool.and_then(|pool| self.diversity(pool, measured_by));
            measured_by = measured_by.or(diversity.map(|(sets, _)| sets));
            arms.push(ForgettingArm {
                name: arm.name.clone(),
                tuned_on: tuned_on.and_then(|name| comparison.groups.iter().position(|one| *one == name)),
                cells: cells(arm),
                diversity: diversity.map(|(_, interval)| interval),
            });
        }
        let tuned = arms.iter().any(|arm| arm.tuned_on.is_some());
        let diversity_from: Option<Origin> = measured_by.map(|sets| sets.origin.clone());
        Ok(tuned.then(|| Forgetting {
            origin: comparison.origin.clone(),
            column: comparison.column.clone(),
            group_by: group_by.to_owned(),
            groups: comparison.groups.clone(),
            confidence: comparison.confidence,
            compared: comparison.baseline.is_some(),
            diversity_from,
            arms,
        }))
    }

    /// Returns the only group of the prompts that the adapter of a pool goes back to.
    fn tuned_on(
        &self,
        pool: &Pool<'_>,
        group_by: &str,
        groups: &mut PromptGroups<'_>,
    ) -> Result<Option<String>, ReportError> {
        let Some(adapter) = self.graph.input(pool.candidates.stage, "adapter") else {
            return Ok(None);
        };
        let mut found: BTreeSet<String> = BTreeSet::new();
        for prompts in self.prompts_behind(adapter.stage) {
            found.extend(groups.of(prompts, group_by)?.values().cloned());
        }
        let only = found.pop_first();
        Ok(only.filter(|_| found.is_empty()))
    }

    /// Lists the tables of prompts that a stage goes back to.
    fn prompts_behind(&self, stage: usize) -> Vec<Source<'_>> {
        let mut seen = BTreeSet::from([stage]);
        let mut waiting = vec![stage];
        let mut prompts = Vec::new();
        while let Some(stage) = waiting.pop() {
            if self.graph.kind(stage) == Some("ingest") {
                prompts.extend(self.graph.output(stage, "prompts"));
                continue;
            }
            for source in self.graph.inputs(stage) {
                if seen.insert(source.stage) {
                    waiting.push(source.stage);
                }
            }
        }
        prompts
    }

    /// Finds how much the images of a prompt of a pool differ, as one stage says for all arms.
    fn diversity<'s>(
        &'s self,
        pool: &Pool<'_>,
        of: Option<&'s MeasuredSets>,
    ) -> Option<(&'s MeasuredSets, Interval)> {
        let mut stages = self.graph.of_kind("set_distance");
        stages.find_map(|stage| {
            let origin = self.graph.origin(stage);
            let sets = self.sets.iter().find(|sets| sets.origin == origin)?;
            if of.is_some_and(|of| of.origin != sets.origin) {
                return None;
            }
            let arm = (0..sets.arms.len()).find(|arm| {
                let images = self.graph.input(stage, &format!("images[{arm}]"));
                images.is_some_and(|images| images.stage == pool.candidates.stage)
            })?;
            Some((sets, sets.arms[arm].diversity.as_ref()?.mean_cosine_distance))
        })
    }
}

fn cells(arm: &ComparedArm) -> Vec<ForgettingCell> {
    let groups = arm.groups.iter().map(|group| ForgettingCell {
        mean: group.mean,
        difference: group.difference,
    });
    groups.collect()
}
