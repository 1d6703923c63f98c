//! Which file stands under a name.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

use serde::{Deserialize, Serialize};

use crate::timestamp::Timestamp;

/// What changes whenever the bytes of a file may have changed: a copy over it, a rename, a time that was set back.
///
/// Mode bits prove nothing. A program that writes into a mapping of the file it made before can change bytes behind an
/// identity, so it only spares hashing: what is computed from a file is checked by the digest of what was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileIdentity {
    #[serde(rename = "dev")]
    device: u64,
    #[serde(rename = "ino")]
    inode: u64,
    pub(crate) size: u64,
    #[serde(rename = "mtime")]
    modified: (i64, i64),
    #[serde(rename = "ctime")]
    changed: (i64, i64),
}

/// Bytes of an identity in the index.
const IDENTITY_BYTES: usize = 56;

/// A file may change once more within the resolution of its times, so one that changed this recently, in seconds, is
/// not remembered beyond this process.
const SETTLED: i64 = 2;

impl FileIdentity {
    /// Takes the identity out of what the system says of a file.
    pub fn of(metadata: &Metadata) -> Self {
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

    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let times = [self.modified.0, self.modified.1, self.changed.0, self.changed.1];
        let numbers = [self.device, self.inode, self.size]
            .into_iter()
            .map(u64::to_le_bytes);
        numbers.chain(times.map(i64::to_le_bytes)).flatten().collect()
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
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

    /// Tells whether the file can no longer change without another time.
    pub fn is_settled(&self) -> bool {
        let now = i64::try_from(Timestamp::now().0 / 1000).unwrap_or(i64::MAX);
        now.saturating_sub(self.changed.0) > SETTLED
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_come_back_from_bytes() {
        let metadata = std::fs::metadata("/proc/self/exe").unwrap();
        let identity = FileIdentity::of(&metadata);
        assert_eq!(identity.to_bytes().len(), IDENTITY_BYTES);
        assert_eq!(FileIdentity::from_bytes(&identity.to_bytes()), Some(identity));
        for bytes in [&[][..], &[0; IDENTITY_BYTES - 1], &[0; IDENTITY_BYTES + 8]] {
            assert_eq!(FileIdentity::from_bytes(bytes), None);
        }
    }
}
