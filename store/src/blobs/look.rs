//! How closely a blob is looked at, and what a look may find.

use crate::error::{Fate, StoreError};
use crate::files::PathError;
use crate::names::FileDigest;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// Existence and size.
    Size,
    /// Also the bytes, once per process while the file stays the same.
    Once,
    /// Also the bytes, always.
    Again,
}

/// Why a blob cannot be relied on.
#[derive(Debug)]
pub(crate) enum Doubt {
    Missing(FileDigest),
    Corrupt {
        file: FileDigest,
        reason: String,
        fate: Fate,
    },
    Unreadable(PathError),
}

impl From<Doubt> for StoreError {
    fn from(doubt: Doubt) -> Self {
        match doubt {
            Doubt::Missing(file) => Self::MissingBlob(file),
            Doubt::Corrupt { file, reason, fate } => Self::CorruptBlob { file, reason, fate },
            Doubt::Unreadable(error) => Self::Path(error),
        }
    }
}
