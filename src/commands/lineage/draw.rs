//! A lineage as a graph that other programs draw.

use std::collections::BTreeMap;

use mitune_store::StageKey;

use super::Graph;

/// Writes the graph in the language of Graphviz, sources on the left.
pub(super) fn dot(graph: &Graph) -> String {
    let mut text = String::from("digraph lineage {\n  rankdir=LR;\n  node [shape=box];\n");
    for key in graph.nodes() {
        let style = if key == graph.start { ", penwidth=3" } else { "" };
        let label = quoted(&lines(graph, &key).join("\\n"), "\\\"");
        text.push_str(&format!("  \"{}\" [label=\"{label}\"{style}];\n", key.short()));
    }
    for edge in &graph.lineage.edges {
        let (from, to, port) = (edge.from.short(), edge.to.short(), quoted(&edge.port, "\\\""));
        text.push_str(&format!("  \"{from}\" -> \"{to}\" [label=\"{port}\"];\n"));
    }
    text.push_str("}\n");
    text
}

/// Writes the graph as a flow chart of Mermaid, which GitHub and GitLab draw in Markdown.
pub(super) fn mermaid(graph: &Graph) -> String {
    let nodes = graph.nodes();
    let numbers: BTreeMap<&StageKey, usize> = nodes.iter().zip(0..).collect();
    let mut text = String::from("flowchart LR\n");
    for key in &nodes {
        let label = quoted(&lines(graph, key).join("<br/>"), "#quot;");
        text.push_str(&format!("  n{}[\"{label}\"]\n", numbers[key]));
    }
    for edge in &graph.lineage.edges {
        let (from, to, port) = (
            numbers[&edge.from],
            numbers[&edge.to],
            quoted(&edge.port, "#quot;"),
        );
        text.push_str(&format!("  n{from} -->|\"{port}\"| n{to}\n"));
    }
    text.push_str(&format!("  style n{} stroke-width:3px\n", numbers[&graph.start]));
    text
}

fn lines(graph: &Graph, key: &StageKey) -> Vec<String> {
    let circumstances = graph.circumstances(key);
    [Some(graph.label(key)), circumstances]
        .into_iter()
        .flatten()
        .collect()
}

/// Replaces quotation marks, which would end a label.
fn quoted(text: &str, mark: &str) -> String {
    text.replace('"', mark)
}
