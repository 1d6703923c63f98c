//! Which file stands under a name, and which files were found good.

use std::collections::HashMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};

use crate::digest::Digest;
use crate::id::FileDigest;
use crate::index::{IndexHandle, Tree};
use crate::timestamp::Timestamp;

/// What changes when a file is replaced or rewritten; mode bits prove nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
    pub(crate) size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// Bytes of an identity in the index.
const IDENTITY_BYTES: usize = 56;

/// A file may change once more within the resolution of its times, so one that changed this recently, in seconds, is
/// not remembered beyond this process.
const SETTLED: i64 = 2;

/// Pages of the index that are read ahead.
const PAGES_AHEAD: u32 = 4;

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

    fn to_bytes(self) -> Vec<u8> {
        let times = [self.modified.0, self.modified.1, self.changed.0, self.changed.1];
        let numbers = [self.device, self.inode, self.size]
            .into_iter()
            .map(u64::to_le_bytes);
        numbers.chain(times.map(i64::to_le_bytes)).flatten().collect()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (words, rest) = bytes.as_chunks::<8>();
        let words: [[u8; 8]; IDENTITY_BYTES / 8] = words.try_into().ok().filter(|_| rest.is_empty())?;
        let [device, inode, size, ..] = words.map(u64::from_le_bytes);
        let [_, _, _, modified, modified_nanos, changed, changed_nanos] = words.map(i64::from_le_bytes);
        Some(Self {
            device,
            inode,
            size,
            modified: (modified, modified_nanos),
            changed: (changed, changed_nanos),
        })
    }

    fn is_settled(&self) -> bool {
        let now = i64::try_from(Timestamp::now().0 / 1000).unwrap_or(i64::MAX);
        now.saturating_sub(self.changed.0) > SETTLED
    }
}

/// The files whose bytes were hashed and found good, by this process or by one before it on this host.
#[derive(Debug)]
pub(crate) struct Verified {
    known: Mutex<HashMap<FileDigest, Identity>>,
    index: Arc<IndexHandle>,
    read_ahead: Once,
}

impl Verified {
    pub(crate) fn new(index: Arc<IndexHandle>) -> Self {
        Self {
            known: Mutex::default(),
            index,
            read_ahead: Once::new(),
        }
    }

    pub(crate) fn contains(&self, file: &FileDigest, identity: &Identity) -> bool {
        self.read_ahead.call_once(|| self.read_ahead());
        if let Some(known) = self.known().get(file) {
            return known == identity;
        }
        let value = self.index.get(Tree::Verified.key(&[file.as_bytes()]));
        let Some(remembered) = value.and_then(|value| Identity::from_bytes(&value)) else {
            return false;
        };
        self.known().insert(*file, remembered);
        remembered == *identity
    }

    pub(crate) fn insert(&self, file: FileDigest, identity: Identity) {
        self.known().insert(file, identity);
        if identity.is_settled() {
            self.index
                .put(Tree::Verified.key(&[file.as_bytes()]), identity.to_bytes());
        }
    }

    pub(crate) fn remove(&self, file: &FileDigest) {
        self.known().remove(file);
        self.index.remove(Tree::Verified.key(&[file.as_bytes()]));
    }

    /// Takes over what the index knows, as far as it is little: one request instead of one for each file.
    fn read_ahead(&self) {
        let prefix = Tree::Verified.key(&[]);
        let mut pages = 0;
        self.index.scan(&prefix, |pairs| {
            let mut known = self.known();
            for (key, value) in pairs {
                let digest = key[prefix.len()..].try_into().ok().map(Digest::new);
                if let (Some(digest), Some(identity)) = (digest, Identity::from_bytes(&value)) {
                    known.entry(FileDigest::new(digest)).or_insert(identity);
                }
            }
            pages += 1;
            pages < PAGES_AHEAD
        });
    }

    fn known(&self) -> MutexGuard<'_, HashMap<FileDigest, Identity>> {
        // A panic elsewhere cannot leave the map half changed.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_come_back_from_bytes() {
        let metadata = std::fs::metadata("/proc/self/exe").unwrap();
        let identity = Identity::of(&metadata);
        assert_eq!(identity.to_bytes().len(), IDENTITY_BYTES);
        assert_eq!(Identity::from_bytes(&identity.to_bytes()), Some(identity));
        for bytes in [&[][..], &[0; IDENTITY_BYTES - 1], &[0; IDENTITY_BYTES + 8]] {
            assert_eq!(Identity::from_bytes(bytes), None);
        }
    }
}
