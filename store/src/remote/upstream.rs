//! A remote with what this store thinks of it.

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::have::HaveMarks;
use super::listing;
use super::{Object, Remote, RemoteError};
use crate::digest::Digest;
use crate::id::{FamilyKey, FileDigest};
use crate::trust::{Policy, PublicKey};

/// From so many questions on, listing everything is cheaper.
pub(crate) const LIST_FROM: usize = 1000;

/// A remote with what this store thinks of it.
pub struct Upstream {
    pub(crate) name: String,
    pub(crate) remote: Arc<dyn Remote>,
    pub(crate) policy: Policy,
    pub(crate) own: Option<PublicKey>,
    pub(crate) pull: bool,
    /// Records are read through, not only blobs.
    pub(crate) records: bool,
    pub(crate) push: bool,
    pub(crate) have: HaveMarks,
    /// Blobs found there by this process.
    seen: Mutex<std::collections::HashSet<FileDigest>>,
    asked: AtomicUsize,
    down: AtomicBool,
}

impl Upstream {
    /// Takes a remote with a policy; results are read through from it and written back to it.
    pub fn new(name: impl Into<String>, remote: Arc<dyn Remote>, policy: Policy) -> Self {
        Self {
            name: name.into(),
            remote,
            policy,
            own: None,
            pull: true,
            records: true,
            push: true,
            have: HaveMarks::default(),
            seen: Mutex::default(),
            asked: AtomicUsize::new(0),
            down: AtomicBool::new(false),
        }
    }

    /// Chooses whether a run reads through and writes back.
    #[must_use]
    pub fn with_directions(mut self, pull: bool, push: bool) -> Self {
        (self.pull, self.push) = (pull, push);
        self
    }

    /// Only blobs are read through: what is computed does not come from there.
    #[must_use]
    pub fn blobs_only(mut self) -> Self {
        (self.records, self.push) = (false, false);
        self
    }

    /// Always trusts the user's own key.
    #[must_use]
    pub fn with_own_key(mut self, own: Option<PublicKey>) -> Self {
        self.own = own;
        self
    }

    /// Remembers in a folder of this host what the store of the given identity has.
    #[must_use]
    pub fn with_marks(mut self, folder: &Path, store_id: &str) -> Self {
        self.have = HaveMarks::new(Some(folder), store_id);
        self
    }

    /// Returns the name the remote was given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the remote itself.
    pub fn remote(&self) -> &dyn Remote {
        &*self.remote
    }

    pub(crate) fn is_down(&self) -> bool {
        self.down.load(Ordering::Relaxed)
    }

    /// Stops asking a remote that will not answer for the rest of this process; returns whether it just stopped.
    pub(crate) fn give_up(&self) -> bool {
        !self.down.swap(true, Ordering::Relaxed)
    }

    /// Tells whether the remote has a blob, asking each only once.
    pub(crate) fn has_blob(&self, blob: &FileDigest) -> Result<bool, RemoteError> {
        let seen = || self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen().contains(blob) {
            return Ok(true);
        }
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        if asked == LIST_FROM {
            let blobs = listing::blobs(self.remote())?;
            seen().extend(blobs);
            return Ok(seen().contains(blob));
        }
        Ok(self.blob_size(blob)?.is_some())
    }

    /// Returns the size of a blob that the remote has, and remembers that it has it.
    pub(crate) fn blob_size(&self, blob: &FileDigest) -> Result<Option<u64>, RemoteError> {
        let size = self.remote.size(&Object::Blob(*blob))?;
        if size.is_some() {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.insert(*blob);
        }
        Ok(size)
    }

    /// Lists the shards of a family.
    pub(crate) fn shard_names(&self, family: &FamilyKey) -> Result<Vec<Digest>, RemoteError> {
        let shards = listing::family_shards(self.remote(), family)?;
        Ok(shards.into_iter().map(|(_, name)| name).collect())
    }

    /// A blob that was thought to be there is not.
    pub(crate) fn unsee(&self, blob: &FileDigest) {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(blob);
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = formatter.debug_struct("Upstream");
        fields
            .field("name", &self.name)
            .field("place", &self.remote.place());
        fields
            .field("pull", &self.pull)
            .field("push", &self.push)
            .finish_non_exhaustive()
    }
}
