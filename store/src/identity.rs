//! Which file stands under a name, and which files were found good.

use std::collections::HashMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::id::FileDigest;

/// What changes when a file is replaced or rewritten; mode bits prove nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
    pub(crate) size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Identity {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Tells whether this is the same file, whatever happened to its times.
    pub(crate) fn same_file(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }
}

/// The files whose bytes were hashed and found good by this process.
#[derive(Debug, Default)]
pub(crate) struct Verified(Mutex<HashMap<FileDigest, Identity>>);

impl Verified {
    pub(crate) fn contains(&self, file: &FileDigest, identity: &Identity) -> bool {
        self.entries().get(file) == Some(identity)
    }

    pub(crate) fn insert(&self, file: FileDigest, identity: Identity) {
        self.entries().insert(file, identity);
    }

    pub(crate) fn remove(&self, file: &FileDigest) {
        self.entries().remove(file);
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<FileDigest, Identity>> {
        // A panic elsewhere cannot leave the map half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
