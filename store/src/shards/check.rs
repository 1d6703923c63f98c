//! Whether the rows of a shard are what its family holds.
//!
//! A shard record that names another table is as good as any to the store, and would end every run that puts a table
//! together from it. Whoever needs rows of a shard therefore looks at the columns and the number of rows first.

use std::collections::HashSet;

use arrow_schema::Schema;

use super::shard::ShardRecord;
use crate::artifacts::TableError;
use crate::error::{StoreError, describe};
use crate::names::{ItemKey, Object};
use crate::store::Shards;

impl ShardRecord {
    /// Tells whether it has rows of some items.
    pub(crate) fn has_any(&self, items: &HashSet<ItemKey>) -> bool {
        self.items.iter().any(|item| items.contains(&item.key))
    }
}

impl Shards<'_> {
    /// Tells whether a shard can be used: its blob, which is fetched if need be, has the given columns and a row per
    /// item. One with another table is disowned, so that it does not come back.
    pub(crate) fn can_use_shard(&self, record: &ShardRecord, schema: &Schema) -> bool {
        let rows = self
            .store
            .artifacts()
            .check_blob(&record.blob, schema)
            .and_then(|rows| {
                let (recorded, found) = (Some(u64::from(record.rows)), rows);
                match recorded == Some(found) {
                    true => Ok(()),
                    false => Err(TableError::Rows { recorded, found }.into()),
                }
            });
        match rows {
            Ok(()) => true,
            Err(error) if error.condemns_artifact() => {
                // One that cannot be disowned, as in a store that may only be read, is not used all the same.
                let _ = self.disown_shard(record, &describe(&error));
                false
            }
            // It may be good and only out of reach.
            Err(_) => false,
        }
    }

    fn disown_shard(&self, record: &ShardRecord, why: &str) -> Result<(), StoreError> {
        let name = record.name();
        let object = Object::Shard(record.family, name);
        match self.store.objects().object_bytes(&object)? {
            Some(bytes) => self.store.records().disown(&object, &name, &bytes, why),
            None => Ok(()),
        }
    }
}
