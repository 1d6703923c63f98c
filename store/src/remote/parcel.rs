//! A record on its way to a remote.

use super::Object;
use crate::artifact::ArtifactKind;
use crate::blob::{Doubt, Look};
use crate::error::StoreError;
use crate::id::FileDigest;
use crate::store::Store;

/// A record to push with the blobs it names.
pub(super) struct Parcel {
    pub(super) object: Object,
    pub(super) bytes: Vec<u8>,
    pub(super) blobs: Vec<(FileDigest, u64)>,
    /// Blobs that list others, which go after these.
    pub(super) lists: Vec<(FileDigest, u64)>,
}

impl Parcel {
    /// Reads a record of this store and lists its blobs, `None` if it is not one to push.
    pub(super) fn pack(store: &Store, object: Object) -> Result<Option<Self>, StoreError> {
        let Some(bytes) = store.object_bytes(&object)? else {
            return Ok(None);
        };
        let (mut blobs, mut lists) = (Vec::new(), Vec::new());
        match object {
            Object::Action(key) => {
                let Some(record) = store.good_action(&key) else {
                    return Ok(None);
                };
                let size = store.inspect(&record.preimage, None, Look::Size)?;
                blobs.push((record.preimage, size));
                for artifact in record.outputs.values() {
                    let members = store.members(artifact)?;
                    let list = matches!(artifact.kind, ArtifactKind::Parts | ArtifactKind::Directory);
                    let own = if list { &mut lists } else { &mut blobs };
                    own.push((artifact.file, artifact.bytes));
                    blobs.extend(members);
                }
            }
            Object::Shard(family, name) => {
                let Some(record) = store.good_shard(&family, &name) else {
                    return Ok(None);
                };
                blobs.push((record.blob, record.bytes));
            }
            _ => {}
        }
        for (blob, size) in blobs.iter().chain(&lists) {
            if let Err(doubt) = store.inspect(blob, Some(*size), Look::Size) {
                return Err(match doubt {
                    Doubt::Unreadable(error) => error.into(),
                    doubt => doubt.into(),
                });
            }
        }
        Ok(Some(Self {
            object,
            bytes,
            blobs,
            lists,
        }))
    }
}
