//! Why a store is not collected.

use crate::error::StoreError;
use crate::files::PathError;
use crate::retention::PinError;

/// A collection that was not begun or not finished; what it did so far is complete and safe.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another collection is at work.
    #[error("Another collection is at work in this store: {0}")]
    Busy(String),
    /// Another collection took over, because this one seemed to be dead.
    #[error("Another collection took over from this one")]
    Overtaken,
    /// A pin cannot be relied on.
    #[error(transparent)]
    Pin(PinError),
    /// A record may name blobs in a way this program does not know.
    #[error(
        "`{path}` has version {version}, this program knows {known}: a newer program must collect this store"
    )]
    Newer {
        /// The record.
        path: String,
        /// Its version.
        version: u32,
        /// The newest version known here.
        known: u32,
    },
}

impl From<PathError> for CollectError {
    fn from(error: PathError) -> Self {
        Self::Store(error.into())
    }
}
