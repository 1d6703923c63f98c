//! What tells one state of a file from another without reading it.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// A file changed this recently may change again within the resolution of its times.
const SETTLED: Duration = Duration::from_secs(2);

/// What changes whenever the bytes of a file may have changed: a copy over it, a rename, a time that was set back.
///
/// A program that writes into a mapping of the file it made before can change bytes behind it, so what is computed from
/// a file is checked by the digest of what was read, and an identity only spares hashing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileIdentity {
    dev: u64,
    ino: u64,
    size: u64,
    mtime: (i64, i64),
    ctime: (i64, i64),
}

impl FileIdentity {
    /// Takes the identity out of what the system says of a file.
    pub fn of(metadata: &Metadata) -> Self {
        Self {
            dev: metadata.dev(),
            ino: metadata.ino(),
            size: metadata.size(),
            mtime: (metadata.mtime(), metadata.mtime_nsec()),
            ctime: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Returns true if a further change would show, because the last one is longer ago than the resolution of times.
    pub fn is_settled(&self) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let changed = Duration::from_secs(u64::try_from(self.ctime.0).unwrap_or_default());
        now.saturating_sub(changed) > SETTLED
    }
}
