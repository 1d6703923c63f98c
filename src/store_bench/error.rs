//! What can go wrong while a store is measured.

use std::io;
use std::path::{Path, PathBuf};

use mitune_store::StoreError;

/// A measurement that could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreBenchError {
    /// The folder cannot be used.
    #[error("Cannot measure in `{}`", path.display())]
    Folder {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A part that runs as a process of its own failed.
    #[error("Part `{part}` of the measurement failed: {told}")]
    Part {
        /// The part.
        part: &'static str,
        /// What it said.
        told: String,
    },
    /// A result was not what was stored.
    #[error("The store gave another result than was stored: {0}")]
    Wrong(String),
}

impl StoreBenchError {
    pub(super) fn at(path: &Path, source: io::Error) -> Self {
        Self::Folder {
            path: path.to_path_buf(),
            source,
        }
    }
}
