//! From the blocks of a table to the whole table.

use arrow_array::RecordBatch;
use mitune_store::{Artifact, ItemRow, Producer};

use super::item_blocks::{Block, ItemError, ItemTable};
use super::joint_work::JointWork;
use super::prompt_labels::put_labelled;
use crate::contract::{StageContext, StageError};

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
    /// waits for the others at the end, unless it has other work.
    ///
    /// # Errors
    /// What `compute` returns, after publishing what was done before; [`StageError::Interrupted`];
    /// [`StageError::Deferred`] if it had to wait and has other work; or an error of the store.
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
