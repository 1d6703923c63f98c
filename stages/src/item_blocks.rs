//! Tables computed item by item, in blocks, so that whatever was ever computed is used again.

use std::collections::{HashMap, HashSet};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use arrow_select::concat::concat_batches;
use mitune_store::{Artifact, FamilyKey, ItemKey, ItemRow, Producer};

use crate::prompt_labels::put_labelled;
use crate::stage::{StageContext, StageError, Work};

/// More than any device computes together; a block is computed in full, whatever is wanted of it.
const MOST_IN_BATCH: usize = 4_096;

/// A batch that no device can hold.
#[derive(Debug, thiserror::Error)]
#[error("Setting `batch_size` is {0}, more than {MOST_IN_BATCH}")]
struct BatchTooLarge(usize);

/// Checks the number of items to a block, where it is set.
///
/// # Errors
/// [`StageError::Configuration`] if no device can hold so many.
pub(crate) fn check_batch_size(batch_size: Option<usize>) -> Result<(), StageError> {
    match batch_size.filter(|size| *size > MOST_IN_BATCH) {
        Some(size) => Err(StageError::configuration(BatchTooLarge(size))),
        None => Ok(()),
    }
}

/// Items that are computed together.
///
/// The numbers of an item depend in the last digit on the shape of the batch it was computed in. A block has therefore
/// the same members and the same shape whenever it is computed, whichever of them are wanted or there already.
#[derive(Clone, Debug)]
pub struct Block<T> {
    /// What to compute.
    pub work: T,
    /// The `prompt_id` that the rows get in the table; items are the same for all prompts of one text.
    pub prompt_id: String,
    /// The wanted items, one per row of the result, in order.
    pub items: Vec<ItemKey>,
}

/// How the rows of a table are stored while they are computed.
#[derive(Clone, Copy, Debug)]
pub struct ItemTable<'a> {
    /// What all items have in common.
    pub family: FamilyKey,
    /// Columns of the table.
    pub schema: &'a SchemaRef,
    /// Rows to a shard, the unit of loss when the process is killed.
    pub shard_rows: usize,
    /// Plural noun of an item, for progress.
    pub unit: &'static str,
}

impl ItemTable<'_> {
    /// Computes the blocks that the store lacks and returns the table of all items in order.
    ///
    /// `compute` returns the rows of a block's items. An item may stand in several blocks, as it does for prompts that
    /// repeat; it is computed once. Full shards are published as they come. When the run is asked to stop, the shard
    /// begun is published as it is.
    ///
    /// # Errors
    /// What `compute` returns, after publishing what was done before; [`StageError::Interrupted`]; or an error of the
    /// store.
    pub fn complete<'b, T>(
        &self,
        context: &StageContext<'_>,
        producer: &Producer,
        blocks: &'b [Block<T>],
        mut compute: impl FnMut(&T) -> Result<RecordBatch, StageError>,
    ) -> Result<Artifact, StageError> {
        let store = context.store();
        let mut known = store.items(&self.family)?;
        let items = || blocks.iter().flat_map(|block| &block.items);
        let mut lacking: HashSet<ItemKey> = items()
            .copied()
            .filter(|item| !known.contains_key(item))
            .collect();
        let total = items().count();
        context.progress().begin(Work {
            total: total as u64,
            reused: (total - lacking.len()) as u64,
            unit: self.unit,
        });
        let mut shard = OpenShard::default();
        let publish = |shard: &mut OpenShard, known: &mut HashMap<ItemKey, ItemRow>| {
            self.publish(context, producer, shard, known)
        };
        for block in blocks {
            if !block.items.iter().any(|item| lacking.contains(item)) {
                continue;
            }
            let rows = match compute(&block.work) {
                Ok(rows) => rows,
                Err(error) => {
                    publish(&mut shard, &mut known)?;
                    return Err(error);
                }
            };
            let added = shard.add(&rows, &block.items, &mut lacking)?;
            context.progress().advance(added as u64);
            if shard.items.len() >= self.shard_rows || context.cancelled() {
                publish(&mut shard, &mut known)?;
                context.check_cancelled()?;
            }
        }
        publish(&mut shard, &mut known)?;
        let rows: Option<Vec<_>> = items().map(|item| known.get(item).copied()).collect();
        let rows = rows.ok_or_else(|| StageError::failed(ItemError::Lost))?;
        let own = |block: &'b Block<T>| std::iter::repeat_n(block.prompt_id.as_str(), block.items.len());
        let prompt_ids: Vec<&str> = blocks.iter().flat_map(own).collect();
        put_labelled(store, self.schema, rows, &prompt_ids)
    }

    fn publish(
        &self,
        context: &StageContext<'_>,
        producer: &Producer,
        shard: &mut OpenShard,
        known: &mut HashMap<ItemKey, ItemRow>,
    ) -> Result<(), StageError> {
        let OpenShard { batches, items } = std::mem::take(shard);
        if items.is_empty() {
            return Ok(());
        }
        let batch = concat_batches(self.schema, &batches).map_err(StageError::failed)?;
        let record = context
            .store()
            .publish_shard(&self.family, batch, items, producer)?;
        for (row, item) in (0..).zip(&record.items) {
            known.entry(item.key).or_insert(ItemRow {
                blob: record.blob,
                row,
                digest: item.row,
            });
        }
        Ok(())
    }
}

/// A block of rows that does not fit its items.
#[derive(Debug, thiserror::Error)]
enum ItemError {
    #[error("A block of {items} items gave {rows} rows")]
    Rows { items: usize, rows: usize },
    #[error("An item is not in the store although it was just computed")]
    Lost,
}

/// Rows waiting to be published.
#[derive(Default)]
struct OpenShard {
    batches: Vec<RecordBatch>,
    items: Vec<ItemKey>,
}

impl OpenShard {
    /// Takes the rows of the items that were lacking, and returns how many these are.
    fn add(
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
