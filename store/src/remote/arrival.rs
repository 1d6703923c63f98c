//! What comes from a remote is checked here before it becomes part of the store.

use std::collections::BTreeSet;

use super::{Created, Object, RemoteError, Upstream};
use crate::artifact::{Artifact, ArtifactKind};
use crate::canonical::Value;
use crate::digest::Digest;
use crate::error::StoreError;
use crate::id::{FamilyKey, FileDigest, StageKey};
use crate::key::domain;
use crate::record::{self, ActionRecord};
use crate::sealed;
use crate::shard::{self, ShardRecord};
use crate::store::Store;
use crate::trust::{Reason, Refusal, voucher};

/// A preimage is the settings of a stage; one larger than this is none.
const PREIMAGE_LIMIT: u64 = 16 << 20;

/// A record from a remote that passed every check.
#[derive(Debug)]
pub(crate) struct Arrival<T> {
    pub(crate) record: T,
    /// Its bytes as they were signed, unknown fields included.
    pub(crate) bytes: Vec<u8>,
    /// Its preimage, where the store lacks it.
    pub(crate) preimage: Option<Vec<u8>>,
    /// It is taken, but nobody known vouches for it.
    pub(crate) unvouched: bool,
}

impl Upstream {
    /// Fetches and checks an action record and its preimage, `None` if the remote has none.
    pub(crate) fn action(
        &self,
        store: &Store,
        key: &StageKey,
    ) -> Result<Option<Arrival<ActionRecord>>, RemoteError> {
        let object = Object::Action(*key);
        let Some(bytes) = self.remote.read(&object, object.limit())? else {
            return Ok(None);
        };
        let refuse = |reason| self.refuse(&object, reason);
        let parsed = sealed::parse::<ActionRecord>(&bytes, domain::ACTION_RECORD, record::VERSION);
        let record = self.parsed(&object, parsed)?;
        if record.key != *key {
            return Err(refuse(Reason::OtherKey(record.key.short())));
        }
        self.refuse_disowned(store, &object, key.digest(), &bytes)?;
        let unvouched = self.vouched(&object, domain::SIGNED_ACTION, &bytes)?;
        let preimage = match store.is_here(&record.preimage) {
            true => None,
            false => Some(self.small_blob(&record.preimage, PREIMAGE_LIMIT)?),
        };
        let value: Result<Value, String> = match &preimage {
            Some(bytes) => serde_json::from_slice(bytes).map_err(|error| error.to_string()),
            None => store
                .read_preimage(&record.preimage)
                .map_err(|error| error.to_string()),
        };
        let derived = value.and_then(|value| StageKey::derive(&value).map_err(|error| error.to_string()));
        match derived {
            Ok(derived) if derived == *key => {}
            Ok(derived) => return Err(refuse(Reason::Preimage(derived.short()))),
            Err(reason) => return Err(refuse(Reason::Damaged(reason))),
        }
        for artifact in record.outputs.values() {
            self.check_size(store, &object, &artifact.file, artifact.bytes)?;
        }
        Ok(Some(Arrival {
            record,
            bytes,
            preimage,
            unvouched,
        }))
    }

    /// Fetches and checks a shard record, `None` if the remote has none.
    pub(crate) fn shard(
        &self,
        store: &Store,
        family: &FamilyKey,
        name: &Digest,
    ) -> Result<Option<Arrival<ShardRecord>>, RemoteError> {
        let object = Object::Shard(*family, *name);
        let Some(bytes) = self.remote.read(&object, object.limit())? else {
            return Ok(None);
        };
        let parsed = sealed::parse::<ShardRecord>(&bytes, domain::SHARD_RECORD, shard::VERSION);
        let record = self.parsed(&object, parsed)?;
        let consistent =
            record.family == *family && record.name() == *name && record.rows as usize == record.items.len();
        if !consistent {
            return Err(self.refuse(&object, Reason::OtherKey(record.name().short())));
        }
        self.refuse_disowned(store, &object, name, &bytes)?;
        let unvouched = self.vouched(&object, domain::SIGNED_SHARD, &bytes)?;
        self.check_size(store, &object, &record.blob, record.bytes)?;
        Ok(Some(Arrival {
            record,
            bytes,
            preimage: None,
            unvouched,
        }))
    }

    /// Takes over a tombstone; returns whether it was new here.
    pub(crate) fn tombstone(&self, store: &Store, object: &Object) -> Result<bool, RemoteError> {
        let Some(bytes) = self.remote.read(object, object.limit())? else {
            return Ok(false);
        };
        match store.adopt_tombstone(object, &bytes)? {
            Ok(new) => Ok(new),
            Err(reason) => Err(self.refuse(object, Reason::Damaged(reason))),
        }
    }

    /// Fetches a blob whose size a record tells; returns the bytes that came over, 0 if it was there already.
    pub(crate) fn fetch_blob(
        &self,
        store: &Store,
        blob: &FileDigest,
        size: u64,
        advanced: &dyn Fn(u64),
    ) -> Result<u64, RemoteError> {
        if store.has_durable(blob, size)? {
            return Ok(0);
        }
        let mut writer = store.writer(Some(size))?;
        let damaged = |reason: String| RemoteError::Damaged {
            place: self.remote.place(),
            blob: blob.short(),
            reason,
        };
        let there = self.remote.fetch(blob, size, &mut |bytes| {
            if writer.written() + bytes.len() as u64 > size {
                return Err(damaged(format!("it has more than {size} bytes")));
            }
            writer.append(bytes)?;
            advanced(bytes.len() as u64);
            Ok(())
        })?;
        if !there {
            self.unsee(blob);
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
    fn small_blob(&self, blob: &FileDigest, limit: u64) -> Result<Vec<u8>, RemoteError> {
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
        store.members(artifact).map_err(|error| match error {
            error @ StoreError::Path(_) => error.into(),
            error => self.refuse(&Object::Action(record.key), Reason::Damaged(error.to_string())),
        })
    }

    /// Refuses a record that tells another size of a blob than it has; an absent blob is found lacking later.
    fn check_size(
        &self,
        store: &Store,
        object: &Object,
        blob: &FileDigest,
        bytes: u64,
    ) -> Result<(), RemoteError> {
        let name = Object::Blob(*blob);
        let size = match store.object_size(&name).map_err(StoreError::from)? {
            Some(size) => Some(size),
            None => self.blob_size(blob)?,
        };
        match size {
            Some(size) if size != bytes => {
                let reason = format!("blob `{}` has {size} bytes instead of {bytes}", blob.short());
                Err(self.refuse(object, Reason::Damaged(reason)))
            }
            _ => Ok(()),
        }
    }

    fn parsed<T>(&self, object: &Object, parsed: Result<Result<T, u32>, String>) -> Result<T, RemoteError> {
        match parsed {
            Ok(Ok(record)) => Ok(record),
            Ok(Err(version)) => Err(self.refuse(object, Reason::Newer(version))),
            Err(reason) => Err(self.refuse(object, Reason::Damaged(reason))),
        }
    }

    fn vouched(&self, object: &Object, domain: &str, bytes: &[u8]) -> Result<bool, RemoteError> {
        let judged = self.policy.judge(voucher(domain, bytes), self.own);
        judged.map_err(|reason| self.refuse(object, reason))
    }

    fn refuse_disowned(
        &self,
        store: &Store,
        object: &Object,
        subject: &Digest,
        bytes: &[u8],
    ) -> Result<(), RemoteError> {
        let tombstone = Object::Tombstone(*subject, FileDigest::of(bytes));
        if store.disowned(subject, bytes)?.is_none() && self.remote.size(&tombstone)?.is_some() {
            self.tombstone(store, &tombstone)?;
        }
        match store.disowned(subject, bytes)? {
            Some(why) => Err(self.refuse(object, Reason::Disowned(why))),
            None => Ok(()),
        }
    }

    fn refuse(&self, object: &Object, reason: Reason) -> RemoteError {
        let (remote, record) = (self.name.clone(), object.to_string());
        Refusal {
            remote,
            record,
            reason,
        }
        .into()
    }

    fn missing(&self, blob: &FileDigest) -> RemoteError {
        RemoteError::Missing {
            place: self.remote.place(),
            blob: blob.short(),
        }
    }
}

impl Store {
    /// Places an action record that arrived, unless a good one is there; returns whether it is the one that counts.
    pub(crate) fn place_action(&self, arrival: &Arrival<ActionRecord>) -> Result<bool, StoreError> {
        if let Some(preimage) = &arrival.preimage {
            self.put_bytes(preimage)?;
        }
        let published = self.publish_bytes(arrival.record.clone(), &arrival.bytes)?;
        Ok(matches!(published, crate::actions::Published::Won(_)))
    }

    /// Places an action record whose blobs stay where they are for now, unless there is one.
    pub(crate) fn place_metadata(&self, arrival: &Arrival<ActionRecord>) -> Result<(), StoreError> {
        if let Some(preimage) = &arrival.preimage {
            self.put_bytes(preimage)?;
        }
        self.create_object(&Object::Action(arrival.record.key), &arrival.bytes)?;
        Ok(())
    }

    /// Places a shard record that arrived, unless a good one is there.
    pub(crate) fn place_shard(&self, arrival: &Arrival<ShardRecord>) -> Result<(), StoreError> {
        let (family, name) = (arrival.record.family, arrival.record.name());
        for _ in 0..8 {
            let object = Object::Shard(family, name);
            if self.create_object(&object, &arrival.bytes)? == Created::New
                || self.good_shard(&family, &name).is_some()
            {
                return Ok(());
            }
        }
        Err(StoreError::Contention(name.short()))
    }
}
