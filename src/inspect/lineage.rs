//! Where a result comes from and what was made of it.

use std::collections::BTreeMap;

use mitune_store::{ActionRecord, LineageReach, StageKey, Store, StoreError};
use serde::Serialize;

/// The results around one, and how they were made from each other.
#[derive(Debug, Serialize)]
pub(crate) struct ResultLineage {
    pub(crate) start: StageKey,
    /// In the order of their keys.
    pub(crate) nodes: Vec<LineageNode>,
    pub(crate) edges: Vec<LineageEdge>,
}

/// A result.
#[derive(Debug, Serialize)]
pub(crate) struct LineageNode {
    pub(crate) key: StageKey,
    /// What the newest run that had it called it.
    pub(crate) name: Option<String>,
    /// None for a result that is named but not in the store.
    pub(crate) record: Option<ActionRecord>,
}

/// One result that was read to make another.
#[derive(Debug, Serialize)]
pub(crate) struct LineageEdge {
    pub(crate) from: StageKey,
    pub(crate) to: StageKey,
    /// Where it was read.
    pub(crate) port: String,
}

impl ResultLineage {
    /// Follows a result up and down as far as it is wanted.
    pub(crate) fn new(store: &Store, start: StageKey, reach: LineageReach) -> Result<Self, StoreError> {
        let lineage = store.catalog().lineage(&start, reach)?;
        let mut records = lineage.records;
        let mut names = BTreeMap::new();
        // The newest run first: its name for a result is the one people remember.
        for run in store.runs().list()? {
            for (name, key) in &run.stages {
                if records.contains_key(key) {
                    let name = || format!("{} of {}", name, run.pipeline);
                    names.entry(*key).or_insert_with(name);
                }
            }
        }
        let ends = lineage.edges.iter().flat_map(|edge| [edge.from, edge.to]);
        let mut keys: Vec<StageKey> = ends.chain([start]).collect();
        keys.sort_unstable();
        keys.dedup();
        let node = |key: StageKey| LineageNode {
            key,
            name: names.remove(&key),
            record: records.remove(&key),
        };
        let edges = lineage.edges.into_iter().map(|edge| LineageEdge {
            from: edge.from,
            to: edge.to,
            port: edge.port,
        });
        Ok(Self {
            start,
            nodes: keys.into_iter().map(node).collect(),
            edges: edges.collect(),
        })
    }

    /// Finds a result.
    pub(crate) fn node(&self, key: &StageKey) -> Option<&LineageNode> {
        let position = self.nodes.binary_search_by_key(key, |node| node.key).ok()?;
        self.nodes.get(position)
    }
}
