//! Work on the items of one table by any number of processes.
//!
//! The blocks are cut into portions that are the same in every process that runs the same pipeline. Each portion has a
//! lease; a process computes the portions it gets, and then waits for the shards of the others, taking over from those
//! that die. Shards are what counts: whether anybody holds a lease changes who computes, never the result.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use arrow_select::concat::concat_batches;
use mitune_store::{Claim, ItemKey, ItemRow, Lease, Producer, ShardListing};

use super::item_blocks::{Block, ItemTable};
use super::open_shard::OpenShard;
use crate::contract::{KeyIngredients, StageContext, StageError, Work};

/// Time between two looks at what others do, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How soon a request to stop is noticed while waiting.
const REACTION: Duration = Duration::from_millis(20);

/// Work on the items of one table.
pub(super) struct JointWork<'a> {
    table: &'a ItemTable<'a>,
    context: &'a StageContext<'a>,
    producer: &'a Producer,
    listing: ShardListing,
    known: HashMap<ItemKey, ItemRow>,
    /// All items of the table.
    wanted: HashSet<ItemKey>,
    lacking: HashSet<ItemKey>,
    shard: OpenShard,
    /// Leases of portions that are computed but wait in the open shard.
    computed: Vec<Lease>,
}

impl<'a> JointWork<'a> {
    /// Finds out what is lacking.
    pub(super) fn begin<T>(
        table: &'a ItemTable<'a>,
        context: &'a StageContext<'a>,
        producer: &'a Producer,
        blocks: &[Block<T>],
    ) -> Result<Self, StageError> {
        let wanted: HashSet<ItemKey> = blocks.iter().flat_map(|block| &block.items).copied().collect();
        let mut work = Self {
            table,
            context,
            producer,
            listing: context.store().shards().listing(&table.family, table.schema),
            known: HashMap::new(),
            lacking: wanted.clone(),
            wanted,
            shard: OpenShard::default(),
            computed: Vec::new(),
        };
        work.look()?;
        let total: usize = blocks.iter().map(|block| block.items.len()).sum();
        context.progress().begin(Work {
            total: total as u64,
            reused: (total - work.lacking.len()) as u64,
            unit: table.unit,
        });
        Ok(work)
    }

    /// Computes what nobody else does, waits for the rest, and returns where all rows are. Where this process has other
    /// work it does not wait.
    pub(super) fn finish<T>(
        mut self,
        blocks: &[Block<T>],
        mut compute: impl FnMut(&T) -> Result<RecordBatch, StageError>,
    ) -> Result<HashMap<ItemKey, ItemRow>, StageError> {
        if self.lacking.is_empty() {
            return Ok(self.known);
        }
        let mut open = portions(blocks, self.table.shard_rows);
        let mut pause = FIRST_PAUSE;
        loop {
            let before = (open.len(), self.lacking.len());
            open = self.pass(open, &mut compute)?;
            self.publish()?;
            if open.is_empty() {
                break;
            }
            if before != (open.len(), self.lacking.len()) {
                pause = FIRST_PAUSE;
            }
            if self.context.has_other_work() {
                self.context.progress().waiting(None);
                return Err(StageError::Deferred);
            }
            self.rest(pause)?;
            pause = (pause * 2).min(LONGEST_PAUSE);
            let found = self.look()?;
            self.context.progress().advance(found as u64);
        }
        self.context.progress().waiting(None);
        // Several processes may have computed the same item: everybody takes the row of the oldest shard.
        let table = self.table;
        let rows = self
            .context
            .store()
            .shards()
            .rows_of_items(&table.family, table.schema, &self.wanted);
        Ok(rows?)
    }

    /// Goes through the portions once and returns those that others hold.
    fn pass<'b, T>(
        &mut self,
        open: Vec<&'b [Block<T>]>,
        compute: &mut impl FnMut(&T) -> Result<RecordBatch, StageError>,
    ) -> Result<Vec<&'b [Block<T>]>, StageError> {
        let leases = self.context.store().leases();
        let mut held = Vec::new();
        let mut holder = None;
        for portion in open {
            if !self.lacks(portion) {
                continue;
            }
            let items = portion.iter().flat_map(|block| &block.items);
            let key = KeyIngredients::portion_key(&self.table.family, items);
            let lease = match leases.claim(&key, self.table.unit) {
                Claim::Mine(lease) => Some(lease),
                Claim::Without(_) => None,
                Claim::Held(by) => {
                    holder.get_or_insert(by);
                    held.push(portion);
                    continue;
                }
            };
            if lease.is_some() {
                // Who held it before may have published it just now.
                let found = self.look()?;
                self.context.progress().advance(found as u64);
            }
            self.context.progress().waiting(None);
            if self.compute(portion, lease.as_ref(), compute)? {
                self.computed.extend(lease);
            } else {
                held.push(portion);
            }
        }
        if let Some(holder) = holder {
            self.context.progress().waiting(Some(&holder.to_string()));
        }
        Ok(held)
    }

    /// Computes what a portion lacks; returns false if the lease was lost on the way.
    fn compute<T>(
        &mut self,
        portion: &[Block<T>],
        lease: Option<&Lease>,
        compute: &mut impl FnMut(&T) -> Result<RecordBatch, StageError>,
    ) -> Result<bool, StageError> {
        for block in portion {
            if !block.items.iter().any(|item| self.lacking.contains(item)) {
                continue;
            }
            if lease.is_some_and(Lease::lost) {
                self.publish()?;
                return Ok(false);
            }
            let rows = match compute(&block.work) {
                Ok(rows) => rows,
                Err(error) => {
                    self.publish()?;
                    return Err(error);
                }
            };
            let added = self.shard.add(&rows, &block.items, &mut self.lacking)?;
            self.context.progress().advance(added as u64);
            if self.shard.items.len() >= self.table.shard_rows || self.context.cancelled() {
                self.publish()?;
                self.context.check_cancelled()?;
            }
        }
        Ok(true)
    }

    fn lacks<T>(&self, portion: &[Block<T>]) -> bool {
        let mut items = portion.iter().flat_map(|block| &block.items);
        items.any(|item| self.lacking.contains(item))
    }

    /// Takes notice of shards that came in, and returns how many items they brought.
    fn look(&mut self) -> Result<usize, StageError> {
        let before = self.lacking.len();
        for record in self.listing.more(&self.lacking)? {
            for item in &record.items {
                self.lacking.remove(&item.key);
            }
            for (item, row) in mitune_store::index_items([&record]) {
                self.known.entry(item).or_insert(row);
            }
        }
        Ok(before - self.lacking.len())
    }

    /// Publishes the open shard and releases the portions that were waiting in it.
    fn publish(&mut self) -> Result<(), StageError> {
        let OpenShard { batches, items } = std::mem::take(&mut self.shard);
        if !items.is_empty() {
            let batch = concat_batches(self.table.schema, &batches).map_err(StageError::failed)?;
            let store = self.context.store();
            let record = store
                .shards()
                .publish(&self.table.family, batch, items, self.producer)?;
            self.listing.skip(&record);
        }
        self.computed.clear();
        Ok(())
    }

    fn rest(&self, pause: Duration) -> Result<(), StageError> {
        let begun = Instant::now();
        while begun.elapsed() < pause {
            self.context.check_cancelled()?;
            std::thread::sleep(REACTION.min(pause));
        }
        self.context.check_cancelled()
    }
}

/// Cuts blocks into portions of a shard's worth, whatever of them is lacking: every process cuts alike.
fn portions<T>(blocks: &[Block<T>], rows: usize) -> Vec<&[Block<T>]> {
    let mut portions = Vec::new();
    let mut rest = blocks;
    while !rest.is_empty() {
        let mut items = 0;
        let full = rest.iter().position(|block| {
            items += block.items.len();
            items >= rows
        });
        let (portion, later) = rest.split_at(full.map_or(rest.len(), |last| last + 1));
        portions.push(portion);
        rest = later;
    }
    portions
}

#[cfg(test)]
mod tests {
    use mitune_store::{FamilyKey, Value};

    use super::*;

    #[test]
    fn portions_hold_whole_blocks_and_all_of_them() {
        let family = FamilyKey::derive(&Value::from(1_u64)).unwrap();
        let block = |work: usize| Block {
            work,
            prompt_id: String::new(),
            items: vec![ItemKey::derive(&family, &Value::from(work as u64)).unwrap(); work],
        };
        let blocks: Vec<_> = [3, 3, 3, 1, 9, 2, 0, 1].map(block).into();
        let cut = |rows| -> Vec<Vec<usize>> {
            portions(&blocks, rows)
                .iter()
                .map(|portion| portion.iter().map(|block| block.work).collect())
                .collect()
        };
        assert_eq!(cut(6), [vec![3, 3], vec![3, 1, 9], vec![2, 0, 1]]);
        assert_eq!(cut(0).len(), 8);
        assert_eq!(cut(1000).len(), 1);
        assert!(portions::<usize>(&[], 6).is_empty());
    }
}
