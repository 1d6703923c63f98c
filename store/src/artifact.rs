//! Artifacts: typed results, and the blobs they consist of.

use serde::{Deserialize, Serialize};

use crate::blob::{Doubt, Look};
use crate::directory;
use crate::error::{Fate, StoreError};
use crate::id::{ContentDigest, FileDigest};
use crate::store::Store;
use crate::table;

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

impl Store {
    /// Lists the blobs an artifact consists of besides its own file, with their sizes.
    ///
    /// # Errors
    /// [`StoreError`] if the list itself is missing or damaged.
    pub fn members(&self, artifact: &Artifact) -> Result<Vec<(FileDigest, u64)>, StoreError> {
        match artifact.kind {
            ArtifactKind::Parts => Ok(table::read_outline(self, artifact)?.members()),
            ArtifactKind::Directory => Ok(directory::members(&self.read_directory(artifact)?)),
            ArtifactKind::Table | ArtifactKind::Tensors | ArtifactKind::Json | ArtifactKind::Html => {
                Ok(Vec::new())
            }
        }
    }

    /// Looks at every blob of an artifact and returns the first doubt.
    pub(crate) fn inspect_artifact(&self, artifact: &Artifact, look: Look) -> Result<(), Doubt> {
        self.inspect(&artifact.file, Some(artifact.bytes), look)?;
        let members = self.members(artifact).map_err(|error| match error {
            StoreError::MissingBlob(file) => Doubt::Missing(file),
            StoreError::CorruptBlob { file, reason, fate } => Doubt::Corrupt { file, reason, fate },
            StoreError::Path(error) => Doubt::Unreadable(error),
            other => Doubt::Corrupt {
                file: artifact.file,
                reason: other.to_string(),
                fate: Fate::Untouched,
            },
        })?;
        for (file, size) in members {
            self.inspect(&file, Some(size), look)?;
        }
        Ok(())
    }
}
