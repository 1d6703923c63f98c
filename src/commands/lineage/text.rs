//! A lineage as indented lines.

use std::collections::HashSet;

use mitune_store::{LineageEdge, StageKey};

use super::Graph;

/// Which way a tree grows.
#[derive(Clone, Copy)]
enum Way {
    Up,
    Down,
}

/// Writes what a result was made from and what went on from it; a result that was shown before is not unfolded again.
pub(super) fn write(graph: &Graph) -> String {
    let mut text = describe(graph, &graph.start);
    for (heading, way) in [("made from", Way::Up), ("used for", Way::Down)] {
        let mut tree = String::new();
        unfold(graph, graph.start, way, 1, &mut HashSet::new(), &mut tree);
        if !tree.is_empty() {
            text.push_str(&format!("{heading}:\n{tree}"));
        }
    }
    text
}

fn unfold(
    graph: &Graph,
    key: StageKey,
    way: Way,
    depth: usize,
    shown: &mut HashSet<StageKey>,
    text: &mut String,
) {
    for edge in &graph.lineage.edges {
        let Some(next) = next(edge, key, way) else {
            continue;
        };
        let indent = "  ".repeat(depth);
        let port = match way {
            Way::Up => edge.port.clone(),
            Way::Down => format!("as {}", edge.port),
        };
        if shown.insert(next) {
            text.push_str(&format!("{indent}{port}: {}", describe(graph, &next)));
            unfold(graph, next, way, depth + 1, shown, text);
        } else {
            text.push_str(&format!("{indent}{port}: {}, see above\n", graph.label(&next)));
        }
    }
}

fn next(edge: &LineageEdge, key: StageKey, way: Way) -> Option<StageKey> {
    match way {
        Way::Up => (edge.to == key).then_some(edge.from),
        Way::Down => (edge.from == key).then_some(edge.to),
    }
}

fn describe(graph: &Graph, key: &StageKey) -> String {
    let label = graph.label(key);
    match graph.circumstances(key) {
        Some(circumstances) => format!("{label} ({circumstances})\n"),
        None => format!("{label}\n"),
    }
}
