//! A lineage as indented lines.

use std::collections::HashSet;

use mitune_store::StageKey;

use super::{circumstances, label};
use crate::inspect::lineage::{LineageEdge, ResultLineage};

/// Which way a tree grows.
#[derive(Clone, Copy)]
enum Way {
    Up,
    Down,
}

/// Writes what a result was made from and what went on from it; a result that was shown before is not unfolded again.
pub(super) fn write(lineage: &ResultLineage) -> String {
    let mut text = describe(lineage, &lineage.start);
    for (heading, way) in [("made from", Way::Up), ("used for", Way::Down)] {
        let mut tree = String::new();
        unfold(lineage, lineage.start, way, 1, &mut HashSet::new(), &mut tree);
        if !tree.is_empty() {
            text.push_str(&format!("{heading}:\n{tree}"));
        }
    }
    text
}

fn unfold(
    lineage: &ResultLineage,
    key: StageKey,
    way: Way,
    depth: usize,
    shown: &mut HashSet<StageKey>,
    text: &mut String,
) {
    for edge in &lineage.edges {
        let Some(next) = next(edge, key, way) else {
            continue;
        };
        let indent = "  ".repeat(depth);
        let port = match way {
            Way::Up => edge.port.clone(),
            Way::Down => format!("as {}", edge.port),
        };
        if shown.insert(next) {
            text.push_str(&format!("{indent}{port}: {}", describe(lineage, &next)));
            unfold(lineage, next, way, depth + 1, shown, text);
        } else {
            text.push_str(&format!("{indent}{port}: {}, see above\n", label(lineage, &next)));
        }
    }
}

fn next(edge: &LineageEdge, key: StageKey, way: Way) -> Option<StageKey> {
    match way {
        Way::Up => (edge.to == key).then_some(edge.from),
        Way::Down => (edge.from == key).then_some(edge.to),
    }
}

fn describe(lineage: &ResultLineage, key: &StageKey) -> String {
    let label = label(lineage, key);
    match circumstances(lineage, key) {
        Some(circumstances) => format!("{label} ({circumstances})\n"),
        None => format!("{label}\n"),
    }
}
