//! Tables computed item by item, in blocks, so that whatever was ever computed is used again.

use std::collections::{HashMap, HashSet};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use arrow_select::concat::concat_batches;
use mitune_store::{Artifact, FamilyKey, ItemKey, ItemRow, Part, Producer};

use crate::stage::{StageContext, StageError, Work};

/// Items that are computed together.
///
/// The numbers of an item depend in the last digit on the shape of the batch it was computed in. A block has therefore
/// the same members and the same shape whenever it is computed, whichever of them are wanted or there already.
#[derive(Clone, Debug)]
pub struct Block<T> {
    /// What to compute.
    pub work: T,
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
    /// `compute` returns the rows of a block's items. An item may stand in several blocks; it is computed once. Full
    /// shards are published as they come. When the run is asked to stop, the shard begun is published as it is.
    ///
    /// # Errors
    /// What `compute` returns, after publishing what was done before; [`StageError::Interrupted`]; or an error of the
    /// store.
    pub fn complete<T>(
        &self,
        context: &StageContext<'_>,
        producer: &Producer,
        blocks: &[Block<T>],
        mut compute: impl FnMut(&T) -> Result<RecordBatch, StageError>,
    ) -> Result<Artifact, StageError> {
        let store = context.store();
        let mut known = store.items(&self.family)?;
        let total: usize = blocks.iter().map(|block| block.items.len()).sum();
        let reused = blocks
            .iter()
            .flat_map(|block| &block.items)
            .filter(|item| known.contains_key(item))
            .count();
        context.progress().begin(Work {
            total: total as u64,
            reused: reused as u64,
            unit: self.unit,
        });
        let missing: Vec<&Block<T>> = blocks
            .iter()
            .filter(|block| block.items.iter().any(|item| !known.contains_key(item)))
            .collect();
        let mut shard = OpenShard::default();
        let publish = |shard: &mut OpenShard, known: &mut HashMap<ItemKey, ItemRow>| {
            self.publish(context, producer, shard, known)
        };
        for block in missing {
            let rows = match compute(&block.work) {
                Ok(rows) => rows,
                Err(error) => {
                    publish(&mut shard, &mut known)?;
                    return Err(error);
                }
            };
            let added = shard.add(&rows, &block.items, &known)?;
            context.progress().advance(added as u64);
            if shard.items.len() >= self.shard_rows || context.cancelled() {
                publish(&mut shard, &mut known)?;
                context.check_cancelled()?;
            }
        }
        publish(&mut shard, &mut known)?;
        let rows = blocks
            .iter()
            .flat_map(|block| &block.items)
            .map(|item| known.get(item).copied());
        let rows = rows
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| StageError::failed(ItemError::Lost))?;
        Ok(store.put_parts(
            self.schema,
            &parts(&rows),
            &rows.iter().map(|row| row.digest).collect::<Vec<_>>(),
        )?)
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
    /// Takes the rows of the items that are new, and returns how many these are.
    fn add(
        &mut self,
        rows: &RecordBatch,
        items: &[ItemKey],
        known: &HashMap<ItemKey, ItemRow>,
    ) -> Result<usize, StageError> {
        if rows.num_rows() != items.len() {
            return Err(StageError::failed(ItemError::Rows {
                items: items.len(),
                rows: rows.num_rows(),
            }));
        }
        let mut open: HashSet<ItemKey> = self.items.iter().copied().collect();
        let before = self.items.len();
        for (row, item) in items.iter().enumerate() {
            if !known.contains_key(item) && open.insert(*item) {
                self.batches.push(rows.slice(row, 1));
                self.items.push(*item);
            }
        }
        Ok(self.items.len() - before)
    }
}

/// Groups consecutive rows of the same blob.
fn parts(rows: &[ItemRow]) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for row in rows {
        match parts.last_mut() {
            Some(part) if part.blob == row.blob => part.rows.push(row.row),
            _ => parts.push(Part {
                blob: row.blob,
                rows: vec![row.row],
            }),
        }
    }
    parts
}
