//! Columns that were trained towards and are compared too.

use std::collections::BTreeMap;

use mitune_store::{Store, Value};

use super::super::error::ReportError;
use super::super::model::{ComparedColumn, Note};
use super::graph::RunGraph;

/// Stages that are named at most.
const NAMED: usize = 3;

/// Kinds of stages that choose, weigh or reward images by a column, and the setting that names it.
const CHOOSING: [(&str, &str); 4] = [
    ("select", "by"),
    ("pair", "by"),
    ("weigh", "by"),
    ("policy_gradient", "reward"),
];

/// Says of every compared column by which something was selected or rewarded in the run that it was.
///
/// What was tuned on such a selection was tuned towards that judge, whose gain says less than that of any other.
pub(super) fn judged_by_their_selector(
    store: &Store,
    graph: &RunGraph,
    comparisons: &[ComparedColumn],
) -> Result<Vec<Note>, ReportError> {
    let selectors = selectors(store, graph)?;
    let note = |compared: &ComparedColumn| {
        let stages = selectors.get(&compared.column)?;
        let named: Vec<String> = stages
            .iter()
            .take(NAMED)
            .map(|name| format!("`{name}`"))
            .collect();
        let rest = match stages.len().saturating_sub(NAMED) {
            0 => String::new(),
            rest => format!(" and {rest} more"),
        };
        Some(Note {
            origin: Some(compared.origin.clone()),
            text: format!(
                "Compares by `{}`, which {}{rest} selected by too: what was tuned on that selection is judged by the judge \
                 that chose or rewarded it, so look at the other judges.",
                compared.column,
                named.join(", ")
            ),
        })
    };
    Ok(comparisons.iter().filter_map(note).collect())
}

/// The stages that selected or were rewarded, by the column.
fn selectors(store: &Store, graph: &RunGraph) -> Result<BTreeMap<String, Vec<String>>, ReportError> {
    let mut selectors: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for stage in &graph.stages {
        let Some(record) = &stage.record else { continue };
        let Some((_, setting)) = CHOOSING.iter().find(|(kind, _)| *kind == record.stage) else {
            continue;
        };
        let preimage = store
            .records()
            .read_preimage(&record.preimage)
            .map_err(|source| ReportError::Settings {
                stage: stage.name(),
                source,
            })?;
        let by = preimage.get("config").and_then(|config| config.get(setting));
        if let Some(Value::Text(by)) = by {
            let names = stage.names.iter().map(|name| name.text.clone());
            selectors.entry(by.clone()).or_default().extend(names);
        }
    }
    Ok(selectors)
}
