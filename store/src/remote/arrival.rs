//! What comes from a remote is checked here before it becomes part of the store.

use super::{RemoteError, Upstream};
use crate::canonical::Value;
use crate::error::StoreError;
use crate::names::{Digest, FamilyKey, FileDigest, Object, StageKey, domain};
use crate::records::{ActionRecord, action_record, sealed, tombstone};
use crate::shards::{ShardRecord, shard};
use crate::size_limits::PREIMAGE_LIMIT;
use crate::store::Store;
use crate::trust::{Reason, Refusal, voucher};

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
        let parsed = sealed::parse::<ActionRecord>(&bytes, domain::ACTION_RECORD, action_record::VERSION);
        let record = self.parsed(&object, parsed)?;
        if record.key != *key {
            return Err(refuse(Reason::OtherKey(record.key.short())));
        }
        self.refuse_disowned(store, &object, key.digest(), &bytes)?;
        let unvouched = self.vouched(&object, domain::SIGNED_ACTION, &bytes)?;
        let preimage = match store.records().has_preimage(&record.preimage) {
            true => None,
            false => Some(self.small_blob(&record.preimage, PREIMAGE_LIMIT)?),
        };
        let value: Result<Value, String> = match &preimage {
            Some(bytes) => serde_json::from_slice(bytes).map_err(|error| error.to_string()),
            None => store
                .records()
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

    /// Takes over a tombstone, if it is still there.
    pub(crate) fn tombstone(&self, store: &Store, object: &Object) -> Result<(), RemoteError> {
        let Some(bytes) = self.tombstone_bytes(object)? else {
            return Ok(());
        };
        Ok(store.records().adopt_tombstones(&[(*object, bytes)])?)
    }

    /// Fetches and checks a tombstone, `None` if it is not there.
    pub(crate) fn tombstone_bytes(&self, object: &Object) -> Result<Option<Vec<u8>>, RemoteError> {
        let Some(bytes) = self.remote.read(object, object.limit())? else {
            return Ok(None);
        };
        match tombstone::check(object, &bytes) {
            Ok(()) => Ok(Some(bytes)),
            Err(reason) => Err(self.refuse(object, Reason::Damaged(reason))),
        }
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
        let size = match store.objects().object_size(&name).map_err(StoreError::from)? {
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
        if store.records().disowned(subject, bytes)?.is_none() && self.remote.size(&tombstone)?.is_some() {
            self.tombstone(store, &tombstone)?;
        }
        match store.records().disowned(subject, bytes)? {
            Some(why) => Err(self.refuse(object, Reason::Disowned(why))),
            None => Ok(()),
        }
    }

    pub(super) fn refuse(&self, object: &Object, reason: Reason) -> RemoteError {
        let (remote, record) = (self.name.clone(), object.to_string());
        Refusal {
            remote,
            record,
            reason,
        }
        .into()
    }
}
