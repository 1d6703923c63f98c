//! Tables computed item by item, in blocks, so that whatever was ever computed is used again.

use arrow_schema::SchemaRef;
use mitune_store::{FamilyKey, ItemKey};

use crate::contract::{StageError, setting_limits};

/// More than any device computes together; a block is computed in full, whatever is wanted of it.
const MOST_IN_BATCH: usize = setting_limits::MOST_IN_BATCH as usize;

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

/// A block of rows that does not fit its items.
#[derive(Debug, thiserror::Error)]
pub(super) enum ItemError {
    #[error("A block of {items} items gave {rows} rows")]
    Rows { items: usize, rows: usize },
    #[error("An item is not in the store although it was just computed")]
    Lost,
}
