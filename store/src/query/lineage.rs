//! Where a result comes from and what was made of it.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::StoreError;
use crate::names::StageKey;
use crate::records::{ActionRecord, Sealed};
use crate::store::Catalog;

/// How far a lineage reaches from where it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineageReach {
    /// Steps towards what it was made from, `None` for all.
    pub up: Option<usize>,
    /// Steps towards what was made from it, `None` for all.
    pub down: Option<usize>,
}

/// Results and how they were made from each other: a graph without cycles.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Lineage {
    /// The results by key; one that is named by another but not in the store has no entry.
    pub records: BTreeMap<StageKey, ActionRecord>,
    /// What was read by what.
    pub edges: BTreeSet<LineageEdge>,
}

/// One result that was read to make another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LineageEdge {
    /// The result that was read.
    pub from: StageKey,
    /// The one that was made.
    pub to: StageKey,
    /// The port it was read at, such as `prompts` or `scores[0]`.
    pub port: String,
}

impl Catalog<'_> {
    /// Follows the inputs of a result up, and the results that were made from it down.
    ///
    /// Going down reads every action record once.
    ///
    /// # Errors
    /// [`StoreError::Path`] if records cannot be read or listed.
    pub fn lineage(&self, start: &StageKey, reach: LineageReach) -> Result<Lineage, StoreError> {
        let mut lineage = Lineage::default();
        if let Sealed::Good(record) = self.store.records().read_action(start)? {
            lineage.records.insert(*start, record);
        }
        self.follow_up(start, reach.up, &mut lineage)?;
        if reach.down != Some(0) {
            self.follow_down(start, reach.down, &mut lineage)?;
        }
        Ok(lineage)
    }

    fn follow_up(
        &self,
        start: &StageKey,
        steps: Option<usize>,
        lineage: &mut Lineage,
    ) -> Result<(), StoreError> {
        let mut front = BTreeSet::from([*start]);
        let mut seen = front.clone();
        let mut step = 0;
        while !front.is_empty() && steps.is_none_or(|steps| step < steps) {
            let mut next = BTreeSet::new();
            for to in front {
                let Some(record) = lineage.records.get(&to) else {
                    continue;
                };
                let edges: Vec<LineageEdge> = read_edges(record).collect();
                for edge in edges {
                    if seen.insert(edge.from) {
                        if let Sealed::Good(record) = self.store.records().read_action(&edge.from)? {
                            lineage.records.insert(edge.from, record);
                        }
                        next.insert(edge.from);
                    }
                    lineage.edges.insert(edge);
                }
            }
            front = next;
            step += 1;
        }
        Ok(())
    }

    fn follow_down(
        &self,
        start: &StageKey,
        steps: Option<usize>,
        lineage: &mut Lineage,
    ) -> Result<(), StoreError> {
        let mut readers: BTreeMap<StageKey, Vec<LineageEdge>> = BTreeMap::new();
        for record in self.actions()? {
            for edge in read_edges(&record) {
                readers.entry(edge.from).or_default().push(edge);
            }
        }
        let mut front = BTreeSet::from([*start]);
        let mut seen = front.clone();
        let mut step = 0;
        while !front.is_empty() && steps.is_none_or(|steps| step < steps) {
            let edges = front.iter().flat_map(|from| readers.get(from)).flatten();
            let edges: Vec<LineageEdge> = edges.cloned().collect();
            front = edges
                .iter()
                .map(|edge| edge.to)
                .filter(|to| seen.insert(*to))
                .collect();
            for to in &front {
                if let Sealed::Good(record) = self.store.records().read_action(to)? {
                    lineage.records.insert(*to, record);
                }
            }
            lineage.edges.extend(edges);
            step += 1;
        }
        Ok(())
    }
}

/// Lists what a result was made from.
fn read_edges(record: &ActionRecord) -> impl Iterator<Item = LineageEdge> + '_ {
    let inputs = record.inputs.iter();
    inputs.filter_map(|(port, input)| {
        Some(LineageEdge {
            from: input.stage?,
            to: record.key,
            port: port.clone(),
        })
    })
}
