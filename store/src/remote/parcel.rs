//! A record on its way to a remote.

use std::collections::BTreeMap;

use crate::artifacts::ArtifactKind;
use crate::blobs::Look;
use crate::error::StoreError;
use crate::names::{FileDigest, Object, domain};
use crate::records::{Sealed, action_record, sealed};
use crate::runs::RunRecord;
use crate::shards::{ShardRecord, shard};
use crate::store::Store;

/// A record to push with the blobs it names.
pub(super) struct Parcel {
    pub(super) object: Object,
    pub(super) bytes: Vec<u8>,
    pub(super) blobs: Vec<(FileDigest, u64)>,
    /// Blobs that list others, which go after these.
    pub(super) lists: Vec<(FileDigest, u64)>,
    /// What the record says if it is that of a run, which goes after all it names.
    pub(super) run: Option<RunRecord>,
}

impl Parcel {
    /// Reads a record of this store and lists its blobs, `None` if it is not one to push.
    pub(super) fn pack(store: &Store, object: Object) -> Result<Option<Self>, StoreError> {
        let Some(mut bytes) = store.objects().object_bytes(&object)? else {
            return Ok(None);
        };
        let (mut blobs, mut lists, mut run) = (Vec::new(), Vec::new(), None);
        match object {
            Object::Action(key) => {
                let record = match store.records().read_action(&key)? {
                    Sealed::Good(record) => record,
                    // It was disowned.
                    Sealed::Absent => return Ok(None),
                    Sealed::Newer { version } => return Err(newer(&object, version, action_record::VERSION)),
                    Sealed::Corrupt { reason, .. } => return Err(corrupt(&object, reason)),
                };
                let size = store.blobs().inspect_preimage(&record.preimage)?;
                blobs.push((record.preimage, size));
                for artifact in record.outputs.values() {
                    let members = store.artifacts().members(artifact)?;
                    let list = matches!(artifact.kind, ArtifactKind::Parts | ArtifactKind::Directory);
                    let own = if list { &mut lists } else { &mut blobs };
                    own.push((artifact.file, artifact.bytes));
                    blobs.extend(members);
                }
            }
            Object::Shard(family, name) => {
                if store.records().disowned(&name, &bytes)?.is_some() {
                    return Ok(None);
                }
                let Some(record) = store.shards().good_shard(&family, &name) else {
                    return Err(unusable_shard(&object, &bytes));
                };
                blobs.push((record.blob, record.bytes));
            }
            Object::Run(id) => match store.runs().read(&id) {
                Some(record) => {
                    bytes = store.runs().joined_run_bytes(&id)?.unwrap_or(bytes);
                    run = Some(record);
                }
                None => return Err(corrupt(&object, "it cannot be read".to_owned())),
            },
            _ => {}
        }
        for (blob, size) in blobs.iter().chain(&lists) {
            store.blobs().inspect(blob, Some(*size), Look::Size)?;
        }
        Ok(Some(Self {
            object,
            bytes,
            blobs,
            lists,
            run,
        }))
    }

    /// Returns why one of the blobs did not go.
    pub(super) fn lost<'l>(&self, lost: &'l BTreeMap<FileDigest, String>) -> Option<&'l String> {
        let mut named = self.blobs.iter().chain(&self.lists);
        named.find_map(|(blob, _)| lost.get(blob))
    }
}

/// Says why a shard cannot go whose rows the store does not count on.
fn unusable_shard(object: &Object, bytes: &[u8]) -> StoreError {
    match sealed::parse::<ShardRecord>(bytes, domain::SHARD_RECORD, shard::VERSION) {
        Ok(Ok(record)) => {
            let blob = record.blob.short();
            corrupt(
                object,
                format!("its blob `{blob}` is damaged, gone or out of reach"),
            )
        }
        Ok(Err(version)) => newer(object, version, shard::VERSION),
        Err(reason) => corrupt(object, reason),
    }
}

fn corrupt(object: &Object, reason: String) -> StoreError {
    let record = object.to_string();
    StoreError::CorruptRecord { record, reason }
}

fn newer(object: &Object, version: u32, known: u32) -> StoreError {
    let name = object.to_string();
    StoreError::NewerRecord { name, version, known }
}
