//! Shards: rows computed together, the unit of resume inside a stage.

use std::collections::HashSet;

use arrow_array::RecordBatch;
use arrow_schema::Schema;
use serde::{Deserialize, Serialize};

use crate::artifacts::{ArtifactKind, row_digests};
use crate::blobs::{Doubt, Look};
use crate::error::StoreError;
use crate::files::{FileIdentity, PathError, Placed, publish};
use crate::names::{Digest, FamilyKey, FileDigest, ItemKey, Object, RowDigest, domain, key};
use crate::records::{Producer, Sealed, sealed};
use crate::store::Shards;
use crate::timestamp::Timestamp;
use crate::trust::RecordSignature;

pub(crate) const VERSION: u32 = 1;

/// Rows of a family that were computed together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardRecord {
    /// Version of the record, 1.
    pub v: u32,
    /// The family of the items.
    pub family: FamilyKey,
    /// The Parquet file that holds the rows.
    pub blob: FileDigest,
    /// Bytes of the blob.
    pub bytes: u64,
    /// Number of rows, one per item.
    pub rows: u32,
    /// The items in the order of the rows.
    pub items: Vec<ShardItem>,
    /// Who computed them.
    pub producer: Producer,
    /// When they were published.
    pub created: Timestamp,
    /// Who vouches for them; written if the user has a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sig: Option<RecordSignature>,
}

/// One item of a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardItem {
    /// The key of the item.
    pub key: ItemKey,
    /// The digest of its row.
    pub row: RowDigest,
}

impl ShardRecord {
    /// Returns the name of the record, which follows from its items.
    pub fn name(&self) -> Digest {
        name_of(self.items.iter().map(|item| &item.key))
    }
}

impl Shards<'_> {
    /// Publishes the rows of items, one row per key in the same order; the first result for the same items wins.
    ///
    /// # Errors
    /// [`StoreError::ShardRows`] or [`StoreError::RepeatedItem`] if rows and keys do not match, or any error of
    /// writing.
    pub fn publish(
        &self,
        family: &FamilyKey,
        batch: RecordBatch,
        keys: Vec<ItemKey>,
        producer: &Producer,
    ) -> Result<ShardRecord, StoreError> {
        let rows = u32::try_from(keys.len())
            .ok()
            .filter(|_| batch.num_rows() == keys.len());
        let Some(rows) = rows else {
            return Err(StoreError::ShardRows {
                rows: batch.num_rows(),
                items: keys.len(),
            });
        };
        let mut seen = HashSet::new();
        if let Some(repeated) = keys.iter().find(|key| !seen.insert(**key)) {
            return Err(StoreError::RepeatedItem(*repeated));
        }
        let digests = row_digests(&batch)?;
        let items: Vec<_> = keys
            .into_iter()
            .zip(digests)
            .map(|(key, row)| ShardItem { key, row })
            .collect();
        let schema = batch.schema();
        let artifact = self.store.artifacts().put_table(&schema, [batch])?;
        debug_assert_eq!(artifact.kind, ArtifactKind::Table);
        let mut record = ShardRecord {
            v: VERSION,
            family: *family,
            blob: artifact.file,
            bytes: artifact.bytes,
            rows,
            items,
            producer: producer.clone(),
            created: Timestamp::now(),
            sig: None,
        };
        record.sig = self.store.signature(domain::SIGNED_SHARD, &record)?;
        self.publish_shard_record(record, &schema)
    }

    /// Lists the shards of a family whose blobs are good, oldest first; the others are set aside.
    ///
    /// Those of attached remotes are taken over first.
    ///
    /// # Errors
    /// [`StoreError::Path`] if the directory cannot be listed.
    pub fn of_family(&self, family: &FamilyKey) -> Result<Vec<ShardRecord>, StoreError> {
        self.store
            .trash()
            .revive_directory(&self.store.layout().family(family));
        self.store.shards_elsewhere(family)?;
        let mut shards = Vec::new();
        for name in self.shard_names(family)? {
            if let Some(record) = self.good_shard(family, &name) {
                // Hours may pass before a record of a stage names these blobs.
                self.store.renew(&self.store.layout().shard(family, &name));
                self.store.hold(&record.blob);
                shards.push(record);
            }
        }
        // The oldest first, so that an item keeps its row when a later shard brings the same item again.
        shards.sort_by_cached_key(|record| (record.created, record.name()));
        Ok(shards)
    }

    pub(crate) fn shard_names(&self, family: &FamilyKey) -> Result<Vec<Digest>, PathError> {
        let entries = self.store.entries(&self.store.layout().family(family))?;
        let mut names: Vec<Digest> = entries
            .into_iter()
            .filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".json")?.parse().ok())
            .collect();
        names.sort_unstable();
        Ok(names)
    }

    /// Reads a shard record and looks at its blob.
    pub(crate) fn good_shard(&self, family: &FamilyKey, name: &Digest) -> Option<ShardRecord> {
        let path = self.store.layout().shard(family, name);
        if !self.store.is_there(&path) {
            return None;
        }
        let before = FileIdentity::of(&self.store.files().metadata(&path).ok()?);
        let record =
            match sealed::read::<ShardRecord>(self.store.files(), &path, domain::SHARD_RECORD, VERSION)
                .ok()?
            {
                Sealed::Good(record) => record,
                Sealed::Corrupt { identity, .. } => {
                    self.store.set_aside("shard", &path, &identity);
                    return None;
                }
                Sealed::Absent | Sealed::Newer { .. } => return None,
            };
        if self.store.records().is_disowned_shard(family, name) {
            return None;
        }
        let consistent =
            record.family == *family && record.name() == *name && record.rows as usize == record.items.len();
        let doubt = match self
            .store
            .blobs()
            .inspect(&record.blob, Some(record.bytes), Look::Once)
        {
            Ok(_) => !consistent,
            Err(Doubt::Missing(_) | Doubt::Corrupt { .. }) => true,
            // The blob may be good and only out of reach at the moment.
            Err(Doubt::Unreadable(_)) => return None,
        };
        if doubt {
            self.store.set_aside("shard", &path, &before);
            return None;
        }
        Some(record)
    }

    /// Tells whether a newer program wrote a shard, which then stays as it is.
    pub(crate) fn newer_shard(&self, family: &FamilyKey, name: &Digest) -> bool {
        let path = self.store.layout().shard(family, name);
        sealed::is_newer(self.store.files(), &path, domain::SHARD_RECORD, VERSION)
    }

    fn publish_shard_record(&self, record: ShardRecord, schema: &Schema) -> Result<ShardRecord, StoreError> {
        let name = record.name();
        let path = self.store.layout().shard(&record.family, &name);
        let staged = self
            .store
            .stage_bytes(&sealed::seal(domain::SHARD_RECORD, &record)?)?;
        for _ in 0..8 {
            if publish(&staged, &path)? == Placed::New {
                self.store.still_there([&record.blob])?;
                self.store.write_back(Object::Shard(record.family, name));
                return Ok(record);
            }
            let winner = self.good_shard(&record.family, &name);
            if let Some(winner) = winner.filter(|winner| self.can_use_shard(winner, schema)) {
                self.store.renew(&path);
                if self.store.hold(&winner.blob) && self.store.is_there(&path) {
                    self.store.mend_elsewhere(Object::Shard(record.family, name));
                    return Ok(winner);
                }
            }
            // What a newer program recorded stays; the rows serve this caller all the same.
            if self.newer_shard(&record.family, &name) {
                return Ok(record);
            }
        }
        Err(StoreError::Contention(path.display().to_string()))
    }
}

pub(crate) fn name_of<'k>(keys: impl Iterator<Item = &'k ItemKey>) -> Digest {
    let bytes: Vec<u8> = keys.flat_map(|key| *key.as_bytes()).collect();
    key::derive(domain::SHARD, &bytes)
}
