//! A lineage as a graph that other programs draw.

use std::collections::BTreeMap;

use mitune_store::StageKey;

use super::{circumstances, label};
use crate::inspect::lineage::ResultLineage;

/// Writes the graph in the language of Graphviz, sources on the left.
pub(super) fn dot(lineage: &ResultLineage) -> String {
    let mut text = String::from("digraph lineage {\n  rankdir=LR;\n  node [shape=box];\n");
    for key in lineage.nodes.iter().map(|node| node.key) {
        let style = if key == lineage.start { ", penwidth=3" } else { "" };
        let label = quoted(&lines(lineage, &key).join("\\n"), "\\\"");
        text.push_str(&format!("  \"{}\" [label=\"{label}\"{style}];\n", key.short()));
    }
    for edge in &lineage.edges {
        let (from, to, port) = (edge.from.short(), edge.to.short(), quoted(&edge.port, "\\\""));
        text.push_str(&format!("  \"{from}\" -> \"{to}\" [label=\"{port}\"];\n"));
    }
    text.push_str("}\n");
    text
}

/// Writes the graph as a flow chart of Mermaid, which GitHub and GitLab draw in Markdown.
pub(super) fn mermaid(lineage: &ResultLineage) -> String {
    let nodes: Vec<&StageKey> = lineage.nodes.iter().map(|node| &node.key).collect();
    let numbers: BTreeMap<&StageKey, usize> = nodes.iter().copied().zip(0..).collect();
    let mut text = String::from("flowchart LR\n");
    for key in nodes {
        let label = quoted(&lines(lineage, key).join("<br/>"), "#quot;");
        text.push_str(&format!("  n{}[\"{label}\"]\n", numbers[key]));
    }
    for edge in &lineage.edges {
        let (from, to, port) = (
            numbers[&edge.from],
            numbers[&edge.to],
            quoted(&edge.port, "#quot;"),
        );
        text.push_str(&format!("  n{from} -->|\"{port}\"| n{to}\n"));
    }
    text.push_str(&format!(
        "  style n{} stroke-width:3px\n",
        numbers[&lineage.start]
    ));
    text
}

fn lines(lineage: &ResultLineage, key: &StageKey) -> Vec<String> {
    [Some(label(lineage, key)), circumstances(lineage, key)]
        .into_iter()
        .flatten()
        .collect()
}

/// Replaces quotation marks, which would end a label.
fn quoted(text: &str, mark: &str) -> String {
    text.replace('"', mark)
}
