//! How the numbers of judges lie, before and after.

use std::collections::{BTreeMap, BTreeSet};

use arrow_array::Array;
use arrow_array::types::Float64Type;
use mitune_stages::judge::ColumnMeaning;
use mitune_stages::judges::ColumnKind;
use mitune_stages::statistics::bootstrap::quantile;
use mitune_stages::tables::columns::{number_column, string_column};
use mitune_store::Store;

use super::super::error::ReportError;
use super::super::model::{DistributionArm, JudgedDistribution, Quantiles};
use super::graph::RunGraph;
use super::judged_arms::{ArmTable, JudgedArms, JudgedTable};
use super::prompt_groups::{GroupOfPrompt, PromptGroups};
use super::tables::Table;

/// Columns, arms and groups that are shown at most.
const MOST_COLUMNS: usize = 16;
const MOST_ARMS: usize = 12;
const MOST_GROUPS: usize = 12;

/// Shares of the numbers that lie below each quantile.
const SHARES: [f64; 7] = [0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0];

/// Summarises every column of numbers that judges filled, arm by arm and group by group.
pub(super) fn distributions(
    store: &Store,
    graph: &RunGraph,
    arms: &JudgedArms<'_>,
    groups: &mut PromptGroups<'_>,
) -> Result<Vec<JudgedDistribution>, ReportError> {
    let mut distributions = Vec::new();
    for column in columns(arms.tables).into_iter().take(MOST_COLUMNS) {
        distributions.extend(distribution(store, graph, arms, groups, column)?);
    }
    Ok(distributions)
}

/// The columns of numbers of all tables, each name once.
fn columns<'a>(tables: &'a [JudgedTable<'_>]) -> Vec<&'a ColumnMeaning> {
    let mut seen = BTreeSet::new();
    let all = tables.iter().flat_map(|table| &table.columns);
    all.filter(|column| column.kind != ColumnKind::Word && seen.insert(column.name.as_str()))
        .collect()
}

fn distribution(
    store: &Store,
    graph: &RunGraph,
    arms: &JudgedArms<'_>,
    groups: &mut PromptGroups<'_>,
    column: &ColumnMeaning,
) -> Result<Option<JudgedDistribution>, ReportError> {
    let (chosen, compared_by) = arms.side_by_side(&column.name);
    let group_by = arms.group_by(&column.name);
    let mut measured = Vec::new();
    for arm in chosen.iter().take(MOST_ARMS) {
        let prompts = arm.pool.and_then(|pool| pool.prompts);
        let group_of = match prompts {
            Some(prompts) => Some(groups.of(prompts, group_by)?),
            None => None,
        };
        let source = arm.table.source;
        let table = Table { store, graph, source };
        let (all, of_groups) = numbers(table, &column.name, group_of)?;
        if let Some(all) = quantiles(all) {
            measured.push((arm, all, of_groups));
        }
    }
    if measured.is_empty() {
        return Ok(None);
    }
    let names = measured.iter().flat_map(|(_, _, of_groups)| of_groups.keys());
    let names: BTreeSet<String> = names.cloned().collect();
    let several = names.len() > 1;
    let groups_left_out = if several {
        names.len().saturating_sub(MOST_GROUPS)
    } else {
        0
    };
    let names: Vec<String> = names.into_iter().filter(|_| several).take(MOST_GROUPS).collect();
    let measured = measured.into_iter().map(|(arm, all, mut of_groups)| {
        let of_group = |name: &String| quantiles(of_groups.remove(name).unwrap_or_default());
        DistributionArm {
            groups: names.iter().map(of_group).collect(),
            ..named(graph, arm, all)
        }
    });
    Ok(Some(JudgedDistribution {
        arms: measured.collect(),
        column: column.name.clone(),
        meaning: column.meaning.clone(),
        lower_is_better: column.kind == ColumnKind::LowerIsBetter,
        compared_by,
        left_out: chosen.len().saturating_sub(MOST_ARMS),
        group_by: group_by.to_owned(),
        groups: names,
        groups_left_out,
    }))
}

fn named(graph: &RunGraph, arm: &ArmTable<'_>, all: Quantiles) -> DistributionArm {
    DistributionArm {
        name: arm.name.clone(),
        model: arm.pool.map(|pool| pool.model.clone()),
        origin: graph.origin(arm.table.source.stage),
        all,
        groups: Vec::new(),
    }
}

/// Numbers by the group of their prompts.
type GroupedNumbers = BTreeMap<String, Vec<f64>>;

/// Reads the finite numbers of a column, all of them and those of each group of prompts.
fn numbers(
    table: Table<'_>,
    column: &str,
    group_of: Option<&GroupOfPrompt>,
) -> Result<(Vec<f64>, GroupedNumbers), ReportError> {
    let (mut all, mut groups) = (Vec::new(), GroupedNumbers::new());
    for batch in table.read(Some(&["prompt_id", column]))? {
        let batch = batch?;
        let ids = string_column(&batch, "prompt_id").map_err(|error| table.column_error(error))?;
        let values =
            number_column::<Float64Type>(&batch, column).map_err(|error| table.column_error(error))?;
        for row in 0..batch.num_rows() {
            let value = values.value(row);
            if !values.is_valid(row) || !value.is_finite() {
                continue;
            }
            all.push(value);
            if let Some(group) = group_of.and_then(|groups| groups.get(ids.value(row))) {
                match groups.get_mut(group) {
                    Some(of_group) => of_group.push(value),
                    None => drop(groups.insert(group.clone(), vec![value])),
                }
            }
        }
    }
    Ok((all, groups))
}

fn quantiles(mut values: Vec<f64>) -> Option<Quantiles> {
    if values.is_empty() {
        return None;
    }
    values.sort_unstable_by(f64::total_cmp);
    Some(Quantiles {
        images: values.len() as u64,
        mean: values.iter().sum::<f64>() / values.len() as f64,
        values: SHARES.map(|share| quantile(&values, share)),
    })
}

#[cfg(test)]
mod tests {
    use super::quantiles;

    #[test]
    fn numbers_are_seven_quantiles_however_many_there_are() {
        let found = quantiles((0..=100_u32).rev().map(f64::from).collect()).expect("numbers");
        assert_eq!(found.values, [0.0, 5.0, 25.0, 50.0, 75.0, 95.0, 100.0]);
        assert_eq!((found.images, found.mean, found.median()), (101, 50.0, 50.0));
        assert_eq!(quantiles(vec![2.5]).map(|found| found.values), Some([2.5; 7]));
        assert_eq!(quantiles(Vec::new()), None);
    }
}
