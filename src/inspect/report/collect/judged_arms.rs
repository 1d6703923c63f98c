//! The tables of judges, and which of them stand side by side.

use std::collections::BTreeSet;

use mitune_stages::judge::ColumnMeaning;
use mitune_store::Store;

use super::super::error::ReportError;
use super::super::model::Origin;
use super::compared_tables::ComparedTables;
use super::graph::{RunGraph, Source};
use super::pools::{Pool, pool_of};
use super::tables::Table;

/// The column of prompts with their groups where no comparison names one.
const CATEGORY: &str = "category";

/// What a stage of judges said.
pub(super) struct JudgedTable<'a> {
    pub(super) source: Source<'a>,
    pub(super) columns: Vec<ColumnMeaning>,
}

/// One arm of a column.
pub(super) struct ArmTable<'a> {
    pub(super) name: String,
    /// The candidates that were judged.
    pub(super) pool: Option<&'a Pool<'a>>,
    pub(super) table: &'a JudgedTable<'a>,
}

/// What is known of the tables of judges of a run.
pub(super) struct JudgedArms<'a> {
    pub(super) graph: &'a RunGraph,
    pub(super) pools: &'a [Pool<'a>],
    pub(super) tables: &'a [JudgedTable<'a>],
    pub(super) compared: &'a [ComparedTables<'a>],
    /// The base and the tuned models on the same prompts.
    pub(super) together: &'a [&'a Pool<'a>],
}

/// Lists what judges said in a run, in the order of its stages.
pub(super) fn judged_tables<'a>(
    store: &Store,
    graph: &'a RunGraph,
) -> Result<Vec<JudgedTable<'a>>, ReportError> {
    let mut tables = Vec::new();
    for stage in graph.of_kind("judge") {
        if let Some(source) = graph.output(stage, "scores") {
            let columns = Table { store, graph, source }.judged_columns()?;
            tables.push(JudgedTable { source, columns });
        }
    }
    Ok(tables)
}

impl JudgedArms<'_> {
    /// Chooses the arms of a column, with the comparison that chose them: those of a comparison, before all one with a
    /// baseline, else the base and the tuned models on the same prompts, else every table with the column.
    pub(super) fn side_by_side(&self, column: &str) -> (Vec<ArmTable<'_>>, Option<Origin>) {
        let mut of_column: Vec<&ComparedTables<'_>> = self
            .compared
            .iter()
            .filter(|one| one.comparison.column == column)
            .collect();
        of_column.sort_by_key(|one| one.baseline.is_none());
        for compared in of_column {
            let arms = self.of_comparison(compared, column);
            if !arms.is_empty() {
                return (arms, Some(compared.comparison.origin.clone()));
            }
        }
        let together = |arm: &ArmTable<'_>| {
            let stage = arm.table.source.stage;
            self.together.iter().any(|pool| pool.judged_by.contains(&stage))
        };
        let arms: Vec<ArmTable<'_>> = self.having(column).filter(together).collect();
        match arms.len() {
            0 | 1 => (self.having(column).collect(), None),
            _ => (arms, None),
        }
    }

    /// Returns the column of prompts by which the column is compared.
    pub(super) fn group_by(&self, column: &str) -> &str {
        let named = |own: bool| {
            let compared = self.compared.iter().map(|one| one.comparison);
            let mut compared = compared.filter(move |one| !own || one.column == column);
            compared.find_map(|one| one.group_by.as_deref())
        };
        named(true).or_else(|| named(false)).unwrap_or(CATEGORY)
    }

    fn of_comparison(&self, compared: &ComparedTables<'_>, column: &str) -> Vec<ArmTable<'_>> {
        let comparison = compared.comparison;
        let baseline = comparison
            .baseline
            .iter()
            .map(|arm| &arm.name)
            .zip(compared.baseline);
        let arms = comparison.arms.iter().map(|arm| &arm.name).zip(&compared.arms);
        let arms = arms.filter_map(|(name, source)| Some((name, (*source)?)));
        // The baseline may be an arm too.
        let mut seen = BTreeSet::new();
        let mut found = Vec::new();
        for (name, source) in baseline.chain(arms) {
            let arm = self
                .having(column)
                .find(|arm| arm.table.source.stage == source.stage);
            let Some(arm) = arm.filter(|_| seen.insert(source.stage)) else {
                continue;
            };
            found.push(ArmTable {
                name: name.clone(),
                ..arm
            });
        }
        found
    }

    /// Every table with a column, named after its stage.
    fn having(&self, column: &str) -> impl Iterator<Item = ArmTable<'_>> {
        let has = move |table: &&JudgedTable<'_>| table.columns.iter().any(|one| one.name == column);
        self.tables.iter().filter(has).map(move |table| ArmTable {
            name: self.graph.origin(table.source.stage).name,
            pool: pool_of(self.graph, self.pools, table.source),
            table,
        })
    }
}
