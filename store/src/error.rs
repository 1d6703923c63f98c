//! What can go wrong at the surface of the store.

use std::io::ErrorKind;

use crate::artifacts::{TableError, TensorError};
use crate::canonical::CanonicalError;
use crate::files::{FormatError, PathError};
use crate::names::{FileDigest, ItemKey, NameError, StageKey};

/// A failed operation of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// An I/O error with its path.
    #[error(transparent)]
    Path(#[from] PathError),
    /// A store of another format.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// A value without a canonical encoding.
    #[error(transparent)]
    Canonical(#[from] CanonicalError),
    /// A table that cannot be written or read.
    #[error(transparent)]
    Table(#[from] TableError),
    /// Tensors that cannot be written or read.
    #[error(transparent)]
    Tensors(#[from] TensorError),
    /// A name that may not become a path.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A blob that is not there.
    #[error("Blob `{0}` is not in the store")]
    MissingBlob(FileDigest),
    /// A blob whose bytes are not those that were written.
    #[error("Blob `{file}` is damaged{}: {reason}", .fate.words())]
    CorruptBlob {
        /// The name of the blob.
        file: FileDigest,
        /// How it was told.
        reason: String,
        /// What became of the file.
        fate: Fate,
    },
    /// A record whose bytes are not those that were written, or whose own blob is of no use.
    #[error("Record `{record}` is damaged: {reason}")]
    CorruptRecord {
        /// The file of the record inside the store.
        record: String,
        /// How it was told.
        reason: String,
    },
    /// A blob that is too large for what it should be.
    #[error("Blob `{file}` has {size} bytes, at most {limit} are read as a whole")]
    BlobSize {
        /// The name of the blob.
        file: FileDigest,
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// JSON that cannot be written or does not have the expected shape.
    #[error("Cannot {action} JSON")]
    Json {
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        source: serde_json::Error,
    },
    /// The artifact is of another kind than the operation takes.
    #[error("Artifact is a {found}, expected a {expected}")]
    Kind {
        /// The kind of the artifact.
        found: &'static str,
        /// The kind that is needed.
        expected: &'static str,
    },
    /// A record is larger than a record may be.
    #[error("Record takes {size} bytes, at most {limit} are allowed: put large values into an artifact")]
    RecordSize {
        /// Its size in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// A record whose key does not follow from its preimage.
    #[error("Preimage derives the key `{derived}`, the record says `{recorded}`")]
    Preimage {
        /// The key derived from the preimage.
        derived: StageKey,
        /// The key in the record.
        recorded: StageKey,
    },
    /// A shard with another number of rows than items.
    #[error("Shard has {rows} rows for {items} item keys")]
    ShardRows {
        /// Rows of the batch.
        rows: usize,
        /// Item keys.
        items: usize,
    },
    /// A shard that names an item twice.
    #[error("Shard names the item `{0}` twice")]
    RepeatedItem(ItemKey),
    /// Export would replace a directory that holds something.
    #[error("`{0}` exists and is not an empty directory")]
    ExportExists(String),
    /// Other processes kept changing the same record.
    #[error("Record `{0}` keeps changing under this process")]
    Contention(String),
    /// A record written by a newer program.
    #[error("Record `{name}` has version {version}, this program knows {known}")]
    NewerRecord {
        /// The file name of the record.
        name: String,
        /// Its version.
        version: u32,
        /// The newest version known here.
        known: u32,
    },
}

/// What became of a damaged file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It was moved to `quarantine/`, so that a good one can take its name.
    SetAside,
    /// It stands where it stood, because the store cannot be written.
    Stays,
    /// It never had its name, or keeps it because its bytes are good.
    Untouched,
}

impl Fate {
    /// Returns what to say of a damaged file, behind the word.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::SetAside => " and was set aside",
            Self::Stays => ", and could not be set aside",
            Self::Untouched => "",
        }
    }
}

impl StoreError {
    /// JSON that cannot be written.
    pub(crate) fn unwritten(source: serde_json::Error) -> Self {
        let action = "write";
        Self::Json { action, source }
    }

    /// JSON that has not the expected shape.
    pub(crate) fn unread(source: serde_json::Error) -> Self {
        let action = "read";
        Self::Json { action, source }
    }

    /// Tells whether an artifact is something else than its record says, so that no second look will help.
    pub fn condemns_artifact(&self) -> bool {
        match self {
            Self::Table(error) => error.is_lasting(),
            Self::Tensors(_)
            | Self::Json { .. }
            | Self::Kind { .. }
            | Self::Name(_)
            | Self::BlobSize { .. } => true,
            _ => false,
        }
    }

    /// Tells whether the store may be read here and not be written.
    pub fn is_read_only(&self) -> bool {
        match self {
            Self::Path(PathError::ReadOnly { .. }) | Self::Format(FormatError::NeedsNewerWriter { .. }) => {
                true
            }
            Self::Path(PathError::Io { source, .. }) => source.kind() == ErrorKind::PermissionDenied,
            _ => false,
        }
    }
}

/// Writes an error with its causes in one line.
pub fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
