//! The blobs that artifacts consist of.

use super::artifact::{Artifact, ArtifactKind};
use super::{directory, table};
use crate::blobs::{Doubt, Look};
use crate::error::{Fate, StoreError};
use crate::names::FileDigest;
use crate::store::Artifacts;

impl Artifacts<'_> {
    /// Lists the blobs an artifact consists of besides its own file, with their sizes.
    ///
    /// # Errors
    /// [`StoreError`] if the list itself is missing or damaged.
    pub fn members(&self, artifact: &Artifact) -> Result<Vec<(FileDigest, u64)>, StoreError> {
        match artifact.kind {
            ArtifactKind::Parts => Ok(table::read_outline(self.store, artifact)?.members()),
            ArtifactKind::Directory => Ok(directory::members(&self.read_directory(artifact)?)),
            ArtifactKind::Table | ArtifactKind::Tensors | ArtifactKind::Json | ArtifactKind::Html => {
                Ok(Vec::new())
            }
        }
    }

    /// Looks at every blob of an artifact and returns the first doubt.
    pub(crate) fn inspect_artifact(&self, artifact: &Artifact, look: Look) -> Result<(), Doubt> {
        self.store
            .blobs()
            .inspect(&artifact.file, Some(artifact.bytes), look)?;
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
            self.store.blobs().inspect(&file, Some(size), look)?;
        }
        Ok(())
    }
}
