//! Where the rows of items are.

use std::collections::{HashMap, HashSet};

use arrow_schema::SchemaRef;

use super::shard::ShardRecord;
use crate::error::StoreError;
use crate::names::{FamilyKey, FileDigest, ItemKey, RowDigest};
use crate::store::Shards;

/// The place of an item's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ItemRow {
    /// The shard blob.
    pub blob: FileDigest,
    /// The row in it, counted from 0.
    pub row: u32,
    /// The digest of the row.
    pub digest: RowDigest,
}

impl Shards<'_> {
    /// Finds the rows of all items of a family.
    ///
    /// # Errors
    /// [`StoreError::Path`] if the shards cannot be listed.
    pub fn items(&self, family: &FamilyKey) -> Result<HashMap<ItemKey, ItemRow>, StoreError> {
        Ok(index_items(&self.of_family(family)?))
    }
}

impl Shards<'_> {
    /// Finds the rows of some items of a family, whose rows have the given columns.
    ///
    /// Only shards whose blobs are here with these columns and a row per item count; of an item in several, the oldest
    /// has it.
    ///
    /// # Errors
    /// [`StoreError::Path`] if the shards cannot be listed.
    pub fn rows_of_items(
        &self,
        family: &FamilyKey,
        schema: &SchemaRef,
        items: &HashSet<ItemKey>,
    ) -> Result<HashMap<ItemKey, ItemRow>, StoreError> {
        let mut shards = self.of_family(family)?;
        shards.retain(|record| record.has_any(items) && self.can_use_shard(record, schema));
        let mut rows = index_items(&shards);
        rows.retain(|item, _| items.contains(item));
        Ok(rows)
    }
}

/// Finds the rows of the items of some shards; of an item in several, the first shard has it.
///
/// [`Shards::of_family`](crate::Shards::of_family) lists the oldest first, so an item keeps its row when later shards bring it again.
pub fn index_items<'s>(shards: impl IntoIterator<Item = &'s ShardRecord>) -> HashMap<ItemKey, ItemRow> {
    let mut items = HashMap::new();
    for shard in shards {
        for (row, item) in (0..).zip(&shard.items) {
            items.entry(item.key).or_insert(ItemRow {
                blob: shard.blob,
                row,
                digest: item.row,
            });
        }
    }
    items
}
