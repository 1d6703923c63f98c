//! Items that are computed to fill the batch of another one, where an empty place costs as much as an item.

use std::collections::{HashMap, HashSet};

use arrow_array::RecordBatch;
use mitune_store::{ItemKey, Store};

use super::item_blocks::{Block, ItemTable};
use crate::contract::StageError;

/// Items that stand in blocks of their own and are computed in full batches.
pub(crate) struct FilledBatches {
    items: Vec<ItemKey>,
    /// Items that the store had or that were computed.
    known: HashSet<ItemKey>,
    /// Rows that were computed to fill the batch of another one.
    ahead: HashMap<usize, RecordBatch>,
    batch: usize,
    shard: usize,
}

impl FilledBatches {
    /// Looks up which items the store has; `batch` of the others are computed together.
    ///
    /// # Errors
    /// An error of the store.
    pub(crate) fn of(
        store: &Store,
        table: &ItemTable<'_>,
        items: Vec<ItemKey>,
        batch: usize,
    ) -> Result<Self, StageError> {
        let wanted: HashSet<ItemKey> = items.iter().copied().collect();
        let stored = store
            .shards()
            .rows_of_items(&table.family, table.schema, &wanted)?;
        Ok(Self {
            items,
            known: stored.into_keys().collect(),
            ahead: HashMap::new(),
            batch,
            shard: table.shard_rows.max(1),
        })
    }

    /// A block for each item: its work is its place. `prompt_id` names the prompt of a place.
    pub(crate) fn blocks(&self, prompt_id: impl Fn(usize) -> String) -> Vec<Block<usize>> {
        let block = |(place, item): (usize, &ItemKey)| Block {
            work: place,
            prompt_id: prompt_id(place),
            items: vec![*item],
        };
        self.items.iter().enumerate().map(block).collect()
    }

    /// Returns the row of an item: as it was computed to fill another's batch, or by `compute`, which gets the places
    /// that are computed together and gives a row for each.
    ///
    /// # Errors
    /// What `compute` returns.
    pub(crate) fn row(
        &mut self,
        wanted: usize,
        compute: impl FnOnce(&[usize]) -> Result<RecordBatch, StageError>,
    ) -> Result<RecordBatch, StageError> {
        // What lies before was computed by another process meanwhile.
        self.ahead.retain(|place, _| *place >= wanted);
        if let Some(known) = self.ahead.remove(&wanted) {
            return Ok(known);
        }
        let together = self.together(wanted);
        let rows = compute(&together)?;
        if rows.num_rows() != together.len() {
            // Whoever asked counts the rows and says so.
            return Ok(rows);
        }
        for (row, place) in together.into_iter().enumerate() {
            self.ahead.insert(place, rows.slice(row, 1));
        }
        Ok(self.ahead.remove(&wanted).unwrap_or(rows))
    }

    /// The item that is wanted, and those behind it that fill the batch. They are of the same portion, which another
    /// process that shares the work leaves alone.
    fn together(&mut self, wanted: usize) -> Vec<usize> {
        let end = (wanted / self.shard + 1).saturating_mul(self.shard);
        let end = end.min(self.items.len());
        let mut together = vec![wanted];
        self.known.insert(self.items[wanted]);
        for place in wanted + 1..end {
            if together.len() == self.batch {
                break;
            }
            if self.known.insert(self.items[place]) {
                together.push(place);
            }
        }
        together
    }
}
