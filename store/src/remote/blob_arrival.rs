//! Blobs that come from a remote are checked here: their bytes are hashed while they are written to a private file.

use std::collections::BTreeSet;

use super::{RemoteError, Upstream};
use crate::artifacts::{Artifact, ArtifactKind};
use crate::error::StoreError;
use crate::names::{FileDigest, Object};
use crate::records::ActionRecord;
use crate::store::Store;
use crate::trust::Reason;

/// A blob up to this size is asked for without asking for its size first.
const UNASKED: u64 = 16 << 20;

impl Upstream {
    /// Fetches a blob whose size a record tells; returns the bytes that came over, 0 if it was there already.
    pub(crate) fn fetch_blob(
        &self,
        store: &Store,
        blob: &FileDigest,
        size: u64,
        advanced: &dyn Fn(u64),
    ) -> Result<u64, RemoteError> {
        if store.blobs().has_durable(blob, size)? {
            return Ok(0);
        }
        let fetched = self.fetch_new(store, blob, size, advanced);
        let unusable = matches!(
            fetched,
            Err(RemoteError::Missing { .. } | RemoteError::Damaged { .. } | RemoteError::Failed { .. })
        );
        if unusable {
            self.condemn(blob);
        }
        fetched
    }

    fn fetch_new(
        &self,
        store: &Store,
        blob: &FileDigest,
        size: u64,
        advanced: &dyn Fn(u64),
    ) -> Result<u64, RemoteError> {
        let damaged = |reason: String| RemoteError::Damaged {
            place: self.remote.place(),
            blob: blob.short(),
            reason,
        };
        // Room is reserved for what is there, not for what a record claims.
        if size > UNASKED {
            match self.remote.size(&Object::Blob(*blob))? {
                Some(there) if there == size => {}
                Some(there) => return Err(damaged(format!("it has {there} bytes instead of {size}"))),
                None => return Err(self.missing(blob)),
            }
        }
        let mut writer = store.blobs().writer(Some(size))?;
        let there = self.remote.fetch(blob, size, &mut |bytes| {
            if writer.written() + bytes.len() as u64 > size {
                return Err(damaged(format!("it has more than {size} bytes")));
            }
            writer.append(bytes)?;
            advanced(bytes.len() as u64);
            Ok(())
        })?;
        if !there {
            return Err(self.missing(blob));
        }
        let written = writer.written();
        match writer.finish_as(blob) {
            Ok(()) if written == size => Ok(size),
            // The blob is good, the record is not.
            Ok(()) => Err(damaged(format!("it has {written} bytes instead of {size}"))),
            Err(StoreError::CorruptBlob { reason, .. }) => Err(damaged(reason)),
            Err(error) => Err(error.into()),
        }
    }

    /// Fetches a blob of unknown but bounded size.
    pub(super) fn small_blob(&self, blob: &FileDigest, limit: u64) -> Result<Vec<u8>, RemoteError> {
        let bytes = self.remote.read(&Object::Blob(*blob), limit)?;
        let bytes = bytes.ok_or_else(|| self.missing(blob))?;
        let found = FileDigest::of(&bytes);
        if found != *blob {
            let reason = format!("its bytes hash to `{}`", found.short());
            let (place, blob) = (self.remote.place(), blob.short());
            return Err(RemoteError::Damaged { place, blob, reason });
        }
        Ok(bytes)
    }

    /// Fetches the lists of blobs of a record's artifacts and returns all its blobs with their sizes.
    pub(crate) fn blobs_of(
        &self,
        store: &Store,
        record: &ActionRecord,
    ) -> Result<BTreeSet<(FileDigest, u64)>, RemoteError> {
        let mut blobs = BTreeSet::new();
        for artifact in record.outputs.values() {
            blobs.insert((artifact.file, artifact.bytes));
            if !matches!(artifact.kind, ArtifactKind::Parts | ArtifactKind::Directory) {
                continue;
            }
            let (limit, size) = (Object::Blob(artifact.file).limit(), artifact.bytes);
            if size > limit {
                let (place, object) = (self.remote.place(), Object::Blob(artifact.file).to_string());
                return Err(RemoteError::TooLarge {
                    place,
                    object,
                    size,
                    limit,
                });
            }
            self.fetch_blob(store, &artifact.file, size, &|_| {})?;
            blobs.extend(self.members(store, record, artifact)?);
        }
        Ok(blobs)
    }

    fn members(
        &self,
        store: &Store,
        record: &ActionRecord,
        artifact: &Artifact,
    ) -> Result<Vec<(FileDigest, u64)>, RemoteError> {
        store.artifacts().members(artifact).map_err(|error| match error {
            error @ StoreError::Path(_) => error.into(),
            error => self.refuse(&Object::Action(record.key), Reason::Damaged(error.to_string())),
        })
    }

    pub(super) fn missing(&self, blob: &FileDigest) -> RemoteError {
        RemoteError::Missing {
            place: self.remote.place(),
            blob: blob.short(),
        }
    }
}
