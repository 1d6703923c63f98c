//! Artifacts: typed results.

use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::names::{ContentDigest, FileDigest};

/// What an artifact is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArtifactKind {
    /// A table in one Parquet file.
    Table,
    /// A table whose rows live in shard blobs; its file lists them.
    Parts,
    /// Named tensors in one safetensors file.
    Tensors,
    /// Named files; its own file lists them.
    Directory,
    /// A JSON value.
    Json,
    /// A web page.
    Html,
}

impl ArtifactKind {
    /// Returns the kind as records spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Parts => "parts",
            Self::Tensors => "tensors",
            Self::Directory => "directory",
            Self::Json => "json",
            Self::Html => "html",
        }
    }
}

/// A typed result in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// What it is.
    pub kind: ArtifactKind,
    /// The blob that holds it, or that lists the blobs that do.
    pub file: FileDigest,
    /// What it means, independent of the file that holds it; keys of later stages use this.
    pub content: ContentDigest,
    /// Bytes of `file` alone.
    pub bytes: u64,
    /// Rows of a table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
}

impl Artifact {
    /// Refuses an artifact of a kind that an operation does not take.
    pub(crate) fn expect(&self, kind: ArtifactKind) -> Result<(), StoreError> {
        if self.kind == kind {
            return Ok(());
        }
        Err(StoreError::Kind {
            found: self.kind.as_str(),
            expected: kind.as_str(),
        })
    }
}
