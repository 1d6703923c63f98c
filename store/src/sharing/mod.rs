//! What an open store shares with others while work goes on: keys to sign with, and remotes to read and write through.
//!
//! A remote never makes a run fail: what it does not have or refuses is computed, and one that does not answer is left
//! alone for the rest of the process, with one warning.

mod read_through;
mod warning;
mod write_back;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use self::warning::{Warn, lasting};
use self::write_back::WriteBack;
use crate::error::describe;
use crate::names::FileDigest;
use crate::remote::{RemoteError, Upstream, Upstreams};
use crate::store::Store;
use crate::trust::{SecretKey, Unsigned};

/// Refusals told one by one; further ones are counted as "more".
const TOLD: usize = 8;

/// Keys and remotes of an open store.
pub struct Sharing {
    signer: Option<SecretKey>,
    upstreams: Upstreams,
    warn: Arc<Warn>,
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
        let warn = Arc::new(warn);
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
                    told if told < TOLD => (self.warn)(&describe(&error)),
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
        let warned = |upstream: &&Arc<Upstream>| upstream.policy.unsigned == Unsigned::Warn;
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
    /// Attaches keys and remotes for as long as the store is open; returns false if some are attached already.
    pub fn attach(&self, sharing: Sharing) -> bool {
        self.attach_elsewhere(Box::new(sharing))
    }
}
