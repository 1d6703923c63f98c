//! What an open store shares with others while work goes on: keys to sign with, and remotes to read and write through.
//!
//! A remote never makes a run fail: what it does not have or refuses is computed, and one that does not answer is left
//! alone for the rest of the process, with one warning.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::blob::Look;
use crate::error::StoreError;
use crate::id::{FamilyKey, FileDigest, StageKey};
use crate::record::ActionRecord;
use crate::remote::{Object, RemoteError, Upstream, Upstreams};
use crate::store::Store;
use crate::trust::{RecordSignature, SecretKey, Unsigned, sign};
use crate::write_back::WriteBack;

/// Refusals told one by one; further ones are counted as "more".
const TOLD: usize = 8;

/// Takes warnings; they come from any thread.
pub(crate) type Warn = Box<dyn Fn(&str) + Send + Sync>;

/// Keys and remotes of an open store.
pub struct Sharing {
    signer: Option<SecretKey>,
    upstreams: Upstreams,
    warn: std::sync::Arc<Warn>,
    back: WriteBack,
    told: AtomicUsize,
}

impl Sharing {
    /// Shares with the given remotes, asked in this order, and signs with the key if there is one.
    pub fn new(
        signer: Option<SecretKey>,
        upstreams: Vec<Upstream>,
        warn: Box<dyn Fn(&str) + Send + Sync>,
    ) -> Self {
        Self::with(signer, Upstreams::reached(upstreams), warn)
    }

    /// Fetches the bytes of results that the store knows from remotes that are reached once bytes are lacking.
    pub fn reading(
        reach: Box<dyn FnOnce() -> Vec<Upstream> + Send>,
        warn: Box<dyn Fn(&str) + Send + Sync>,
    ) -> Self {
        Self::with(None, Upstreams::later(reach), warn)
    }

    fn with(signer: Option<SecretKey>, upstreams: Upstreams, warn: Warn) -> Self {
        let warn = std::sync::Arc::new(warn);
        Self {
            signer,
            upstreams,
            back: WriteBack::new(warn.clone()),
            warn,
            told: AtomicUsize::new(0),
        }
    }

    fn readable(&self) -> impl Iterator<Item = &Upstream> {
        let upstreams = self.upstreams.all().iter().map(|upstream| &**upstream);
        upstreams.filter(|upstream| upstream.pull && !upstream.is_down())
    }

    /// Turns an error of a remote into a warning.
    fn answered<T>(&self, upstream: &Upstream, result: Result<Option<T>, RemoteError>) -> Option<T> {
        match result {
            Ok(found) => found,
            Err(error) if error.is_lasting() => {
                if upstream.give_up() {
                    (self.warn)(&lasting(upstream, &error));
                }
                None
            }
            Err(error) => {
                match self.told.fetch_add(1, Ordering::Relaxed) {
                    TOLD => (self.warn)("More records or blobs of remotes were not used"),
                    told if told < TOLD => (self.warn)(&crate::remote::describe(&error)),
                    _ => {}
                }
                None
            }
        }
    }

    /// Counts a record that no trusted key signed, and says so at the first one.
    fn take_unvouched(&self, upstream: &Upstream) {
        if upstream.count_unvouched() == 0 && upstream.policy.unsigned == Unsigned::Warn {
            (self.warn)(&format!(
                "Results of the remote `{}` are used although no trusted key signed them",
                upstream.name
            ));
        }
    }

    /// Says how many records came that no trusted key signed.
    fn sum_up_unvouched(&self) {
        let warned = |upstream: &&std::sync::Arc<Upstream>| upstream.policy.unsigned == Unsigned::Warn;
        for upstream in self.upstreams.used().iter().filter(warned) {
            match upstream.unvouched() {
                0 | 1 => {}
                count => (self.warn)(&format!(
                    "{count} records of the remote `{}` were used although no trusted key signed them",
                    upstream.name
                )),
            }
        }
    }

    /// Returns the size of a blob that a remote offers. Where something was not what it seemed, the blob is fetched
    /// first: one bad blob must not cost a run for each further one.
    fn offered(
        &self,
        store: &Store,
        upstream: &Upstream,
        file: &FileDigest,
        size: Option<u64>,
    ) -> Option<u64> {
        let found = match size {
            Some(size) => upstream.has_blob(file).map(|there| there.then_some(size)),
            None => upstream.blob_size(file),
        };
        let size = self.answered(upstream, found)?;
        if !upstream.is_doubtful() {
            return Some(size);
        }
        let fetched = upstream.fetch_blob(store, file, size, &|_| {});
        self.answered(upstream, fetched.map(|_| Some(size)))
    }
}

/// Says that a remote is left alone from now on.
pub(crate) fn lasting(upstream: &Upstream, error: &RemoteError) -> String {
    let reason = crate::remote::describe(error);
    format!("The remote `{}` is not used any more: {reason}", upstream.name)
}

impl fmt::Debug for Sharing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = formatter.debug_struct("Sharing");
        fields
            .field("signer", &self.signer)
            .field("upstreams", &self.upstreams)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Waits until what was published has reached the remotes, or was given up with a warning.
    pub fn flush_remotes(&self) {
        if let Some(sharing) = self.sharing() {
            sharing.back.flush();
            for upstream in sharing.upstreams.used().iter().filter(|upstream| upstream.push) {
                upstream.have.save();
            }
        }
    }

    /// Sends the record of a run that ended to the remotes, and says what it took on trust.
    pub fn share_run(&self, run: &crate::run::RunId) {
        self.write_back(Object::Run(*run));
        if let Some(sharing) = self.sharing() {
            sharing.sum_up_unvouched();
        }
    }

    /// Signs a record if the user has a key.
    pub(crate) fn signature(
        &self,
        domain: &str,
        record: &impl serde::Serialize,
    ) -> Result<Option<RecordSignature>, StoreError> {
        let signer = self.sharing().and_then(|sharing| sharing.signer.as_ref());
        signer.map(|key| sign(key, domain, record)).transpose()
    }

    /// Sends a record that was just published to the remotes, in the background.
    pub(crate) fn write_back(&self, object: Object) {
        let Some(sharing) = self.sharing() else { return };
        for upstream in sharing
            .upstreams
            .all()
            .iter()
            .filter(|upstream| upstream.push && !upstream.is_down())
        {
            sharing.back.send(self, upstream, object);
        }
    }

    /// Sends a record whose blobs were computed again to the remotes that had bad ones, which are mended so.
    pub(crate) fn mend_elsewhere(&self, object: Object) {
        let Some(sharing) = self.sharing() else { return };
        let doubtful = |upstream: &&std::sync::Arc<Upstream>| {
            upstream.push && !upstream.is_down() && upstream.is_doubtful()
        };
        for upstream in sharing.upstreams.used().iter().filter(doubtful) {
            sharing.back.send(self, upstream, object);
        }
    }

    /// Returns the size of a blob that a remote has.
    pub(crate) fn size_elsewhere(&self, file: &FileDigest, size: Option<u64>) -> Option<u64> {
        let sharing = self.sharing()?;
        sharing
            .readable()
            .find_map(|upstream| sharing.offered(self, upstream, file, size))
    }

    /// Tells whether a remote has a blob.
    pub(crate) fn is_elsewhere(&self, file: &FileDigest) -> bool {
        let Some(sharing) = self.sharing() else {
            return false;
        };
        sharing.readable().any(|upstream| {
            let there = upstream.has_blob(file).map(|there| there.then_some(()));
            let there = sharing.answered(upstream, there).is_some();
            there && (!upstream.is_doubtful() || sharing.offered(self, upstream, file, None).is_some())
        })
    }

    /// Fetches a blob that the store lacks from a remote; returns whether it is here now.
    pub(crate) fn fetch_elsewhere(&self, file: &FileDigest) -> bool {
        let Some(sharing) = self.sharing() else {
            return false;
        };
        sharing.readable().any(|upstream| {
            let fetched = upstream.blob_size(file).and_then(|size| match size {
                Some(size) => upstream.fetch_blob(self, file, size, &|_| {}).map(Some),
                None => {
                    upstream.unsee(file);
                    Ok(None)
                }
            });
            sharing.answered(upstream, fetched).is_some()
        })
    }

    /// Takes the result of a stage over from a remote; a mere look takes nothing.
    pub(crate) fn action_elsewhere(&self, key: &StageKey, look: Look) -> Option<ActionRecord> {
        let sharing = self.sharing()?;
        sharing
            .readable()
            .filter(|upstream| upstream.records)
            .find_map(|upstream| {
                let arrival = sharing.answered(upstream, upstream.action(self, key))?;
                let whole = arrival.record.outputs.values().all(|artifact| {
                    self.is_here(&artifact.file) || self.size_elsewhere(&artifact.file, None).is_some()
                });
                if look == Look::Size || !whole {
                    return whole.then_some(arrival.record);
                }
                if arrival.unvouched {
                    sharing.take_unvouched(upstream);
                }
                let placed = self.place_action(&arrival).map_err(RemoteError::from).map(Some);
                sharing.answered(upstream, placed)?;
                let record = self.good_action(key)?;
                self.inspect_results(&record, look).ok()?;
                Some(record)
            })
    }

    /// Takes over the shards of a family that remotes have.
    pub(crate) fn shards_elsewhere(&self, family: &FamilyKey) -> Result<(), StoreError> {
        let Some(sharing) = self.sharing() else {
            return Ok(());
        };
        for upstream in sharing.readable().filter(|upstream| upstream.records) {
            let here: std::collections::HashSet<_> = self.shard_names(family)?.into_iter().collect();
            let Some(lacking) = sharing.answered(upstream, upstream.shard_names(family).map(Some)) else {
                continue;
            };
            let lacking: Vec<_> = lacking.into_iter().filter(|name| !here.contains(name)).collect();
            // Errors were told as warnings; none is left to return.
            let _ = crate::remote::parallel(&lacking, |name| {
                if let Some(arrival) = sharing.answered(upstream, upstream.shard(self, family, name)) {
                    if arrival.unvouched {
                        sharing.take_unvouched(upstream);
                    }
                    let placed = self.place_shard(&arrival).map_err(RemoteError::from).map(Some);
                    sharing.answered(upstream, placed);
                }
                if upstream.is_down() { Err(()) } else { Ok(()) }
            });
        }
        Ok(())
    }
}
