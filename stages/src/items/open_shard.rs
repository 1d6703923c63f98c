//! Rows on their way into a shard.

use std::collections::HashSet;

use arrow_array::RecordBatch;
use mitune_store::ItemKey;

use super::item_blocks::ItemError;
use crate::contract::StageError;

/// Rows waiting to be published.
#[derive(Default)]
pub(super) struct OpenShard {
    pub(super) batches: Vec<RecordBatch>,
    pub(super) items: Vec<ItemKey>,
}

impl OpenShard {
    /// Takes the rows of the items that were lacking, and returns how many these are.
    pub(super) fn add(
        &mut self,
        rows: &RecordBatch,
        items: &[ItemKey],
        lacking: &mut HashSet<ItemKey>,
    ) -> Result<usize, StageError> {
        if rows.num_rows() != items.len() {
            return Err(StageError::failed(ItemError::Rows {
                items: items.len(),
                rows: rows.num_rows(),
            }));
        }
        let before = self.items.len();
        for (row, item) in items.iter().enumerate() {
            if lacking.remove(item) {
                self.batches.push(rows.slice(row, 1));
                self.items.push(*item);
            }
        }
        Ok(self.items.len() - before)
    }
}
