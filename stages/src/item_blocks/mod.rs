//! Tables computed item by item, in blocks, so that whatever was ever computed is used again.

mod joint_work;
mod open_shard;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use mitune_store::{Artifact, FamilyKey, ItemKey, ItemRow, Producer};

use crate::prompt_labels::put_labelled;
use crate::stage::{StageContext, StageError};
use joint_work::JointWork;

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
    /// Rows to a shard, the unit of loss when the process is killed and what one of several processes takes at a time.
    pub shard_rows: usize,
    /// Plural noun of an item, for progress.
    pub unit: &'static str,
}

impl ItemTable<'_> {
    /// Computes the blocks that the store lacks and returns the table of all items in order, see
    /// [`ItemTable::compute_rows`].
    ///
    /// # Errors
    /// Those of [`ItemTable::compute_rows`].
    pub fn complete<'b, T>(
        &self,
        context: &StageContext<'_>,
        producer: &Producer,
        blocks: &'b [Block<T>],
        compute: impl FnMut(&T) -> Result<RecordBatch, StageError>,
    ) -> Result<Artifact, StageError> {
        let rows = self.compute_rows(context, producer, blocks, compute)?;
        let own = |block: &'b Block<T>| std::iter::repeat_n(block.prompt_id.as_str(), block.items.len());
        let prompt_ids: Vec<&str> = blocks.iter().flat_map(own).collect();
        put_labelled(context.store(), self.schema, rows, &prompt_ids)
    }

    /// Computes the blocks that the store lacks and returns where the rows of all items are, in order.
    ///
    /// `compute` returns the rows of a block's items. An item may stand in several blocks, as it does for prompts that
    /// repeat; it is computed once. Full shards are published as they come. When the run is asked to stop, the shard
    /// begun is published as it is.
    ///
    /// Any number of processes may do this at the same time: each takes portions of the blocks that no other has, and
    /// waits for the others at the end.
    ///
    /// # Errors
    /// What `compute` returns, after publishing what was done before; [`StageError::Interrupted`]; or an error of the
    /// store.
    pub fn compute_rows<T>(
        &self,
        context: &StageContext<'_>,
        producer: &Producer,
        blocks: &[Block<T>],
        compute: impl FnMut(&T) -> Result<RecordBatch, StageError>,
    ) -> Result<Vec<ItemRow>, StageError> {
        let known = JointWork::begin(self, context, producer, blocks)?.finish(blocks, compute)?;
        let items = blocks.iter().flat_map(|block| &block.items);
        let rows: Option<Vec<_>> = items.map(|item| known.get(item).copied()).collect();
        rows.ok_or_else(|| StageError::failed(ItemError::Lost))
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
