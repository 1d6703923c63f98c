use std::collections::HashSet;
use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::known_objects::KnownObjects;
use super::{Remote, RemoteError, listing};
use crate::names::{Digest, FamilyKey, FileDigest, Object};
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
    pub(crate) known: KnownObjects,
    /// Blobs found there by this process.
    seen: Mutex<HashSet<FileDigest>>,
    /// Blobs that this process could not get there although they seemed to be there.
    bad: Mutex<HashSet<FileDigest>>,
    asked: AtomicUsize,
    down: AtomicBool,
    /// Records taken although nobody known vouches for them.
    unvouched: AtomicUsize,
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
            known: KnownObjects::default(),
            seen: Mutex::default(),
            bad: Mutex::default(),
            asked: AtomicUsize::new(0),
            down: AtomicBool::new(false),
            unvouched: AtomicUsize::new(0),
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
        self.known = KnownObjects::new(Some(folder), store_id);
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
        if self.is_bad(blob) {
            return Ok(false);
        }
        if locked(&self.seen).contains(blob) {
            return Ok(true);
        }
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        if asked == LIST_FROM {
            let blobs = listing::blobs(self.remote())?.found;
            locked(&self.seen).extend(blobs);
            return Ok(locked(&self.seen).contains(blob));
        }
        Ok(self.blob_size(blob)?.is_some())
    }

    /// Returns the size of a blob that the remote has, and remembers that it has it.
    pub(crate) fn blob_size(&self, blob: &FileDigest) -> Result<Option<u64>, RemoteError> {
        if self.is_bad(blob) {
            return Ok(None);
        }
        let size = self.remote.size(&Object::Blob(*blob))?;
        if size.is_some() {
            locked(&self.seen).insert(*blob);
        }
        Ok(size)
    }

    /// Lists the shards of a family.
    pub(crate) fn shard_names(&self, family: &FamilyKey) -> Result<Vec<Digest>, RemoteError> {
        let shards = listing::family_shards(self.remote(), family)?;
        Ok(shards.found.into_iter().map(|(_, name)| name).collect())
    }

    /// A blob that was thought to be there is not, or is not what its name says: it counts as absent from now on.
    pub(crate) fn condemn(&self, blob: &FileDigest) {
        locked(&self.seen).remove(blob);
        locked(&self.bad).insert(*blob);
        // So that a push sends a good one.
        self.known.remove(&Object::Blob(*blob));
    }

    /// A blob is not there; one that was there before was lost.
    pub(crate) fn unsee(&self, blob: &FileDigest) {
        if locked(&self.seen).contains(blob) {
            self.condemn(blob);
        }
    }

    /// Tells whether a blob there is of no use.
    pub(crate) fn is_bad(&self, blob: &FileDigest) -> bool {
        locked(&self.bad).contains(blob)
    }

    /// A good blob has taken the place of a bad one.
    pub(crate) fn acquit(&self, blob: &FileDigest) {
        locked(&self.bad).remove(blob);
    }

    /// Tells whether something there was not what it seemed: what else seems to be there is fetched before it counts.
    pub(crate) fn is_doubtful(&self) -> bool {
        !locked(&self.bad).is_empty()
    }

    /// Counts a record that is taken although nobody known vouches for it, and returns how many were before.
    pub(crate) fn count_unvouched(&self) -> usize {
        self.unvouched.fetch_add(1, Ordering::Relaxed)
    }

    /// Returns how many records were taken although nobody known vouches for them.
    pub(crate) fn unvouched(&self) -> usize {
        self.unvouched.load(Ordering::Relaxed)
    }
}

fn locked<T>(set: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere cannot leave a set half changed.
    set.lock().unwrap_or_else(PoisonError::into_inner)
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
