//! Watching the shards of a family come in.

use std::collections::HashSet;
use std::sync::Arc;

use arrow_schema::SchemaRef;

use super::shard::ShardRecord;
use crate::error::StoreError;
use crate::names::{Digest, FamilyKey, ItemKey};
use crate::store::{Shards, Store};

/// The shards of a family, read as they come in.
#[derive(Debug)]
pub struct ShardListing {
    store: Store,
    family: FamilyKey,
    schema: SchemaRef,
    seen: HashSet<Digest>,
    /// Remotes were asked; once is enough, since processes that work together share a store.
    asked: bool,
}

impl Shards<'_> {
    /// Begins to read the shards of a family, whose rows have the given columns; the first call of
    /// [`ShardListing::more`] gives all there are.
    pub fn listing(&self, family: &FamilyKey, schema: &SchemaRef) -> ShardListing {
        ShardListing {
            store: self.store.clone(),
            family: *family,
            schema: Arc::clone(schema),
            seen: HashSet::new(),
            asked: false,
        }
    }
}

impl ShardListing {
    /// Returns the good shards with rows of some items that came in since the last call, oldest first; one listing of
    /// names finds them.
    ///
    /// Their blobs are here afterwards, with the columns of the family and a row per item.
    ///
    /// # Errors
    /// [`StoreError::Path`] if the directory cannot be listed.
    pub fn more(&mut self, items: &HashSet<ItemKey>) -> Result<Vec<ShardRecord>, StoreError> {
        if !std::mem::replace(&mut self.asked, true) {
            self.store.shards_elsewhere(&self.family)?;
        }
        let mut shards = Vec::new();
        for name in self.store.shards().shard_names(&self.family)? {
            if self.seen.contains(&name) {
                continue;
            }
            // One that is not good is looked at again: it may be out of reach for the moment, or be replaced.
            let Some(record) = self.store.shards().good_shard(&self.family, &name) else {
                continue;
            };
            if !record.has_any(items) {
                self.seen.insert(name);
            } else if self.store.shards().can_use_shard(&record, &self.schema) {
                self.seen.insert(name);
                shards.push(record);
            }
        }
        shards.sort_by_cached_key(|record| (record.created, record.name()));
        Ok(shards)
    }

    /// Takes a shard as read, such as one that the caller published itself.
    pub fn skip(&mut self, record: &ShardRecord) {
        self.seen.insert(record.name());
    }
}
