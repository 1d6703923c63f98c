//! What is in the store.

use crate::artifacts::Artifact;
use crate::error::StoreError;
use crate::files::AtPath;
use crate::names::{FileDigest, StageKey};
use crate::records::ActionRecord;
use crate::store::Catalog;
use crate::timestamp::Timestamp;

/// One blob of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobEntry {
    /// Its name.
    pub file: FileDigest,
    /// Its size.
    pub bytes: u64,
}

/// An artifact and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedArtifact {
    /// The artifact.
    pub artifact: Artifact,
    /// Kind of the stage that made it.
    pub stage: String,
    /// The port it came out of.
    pub port: String,
    /// The key of the stage.
    pub key: StageKey,
    /// When the stage ended.
    pub created: Timestamp,
}

impl ListedArtifact {
    /// Lists the artifacts of records, newest first.
    pub(crate) fn of(records: impl IntoIterator<Item = ActionRecord>) -> Vec<Self> {
        let mut artifacts = Vec::new();
        for record in records {
            let ActionRecord {
                key,
                stage,
                ended,
                outputs,
                ..
            } = record;
            artifacts.extend(outputs.into_iter().map(|(port, artifact)| Self {
                artifact,
                stage: stage.clone(),
                port,
                key,
                created: ended,
            }));
        }
        artifacts.sort_by(|a, b| {
            b.created
                .cmp(&a.created)
                .then_with(|| a.key.cmp(&b.key))
                .then_with(|| a.port.cmp(&b.port))
        });
        artifacts
    }
}

impl Catalog<'_> {
    /// Goes through all action records; damaged ones are set aside and left out.
    ///
    /// # Errors
    /// [`StoreError::Path`] if the records cannot be listed.
    pub fn actions(self) -> Result<impl Iterator<Item = ActionRecord>, StoreError> {
        let keys = self.action_keys()?;
        Ok(keys
            .into_iter()
            .filter_map(move |key| self.store.records().good_action(&key)))
    }

    /// Lists the artifacts of all action records, newest first.
    ///
    /// # Errors
    /// [`StoreError::Path`] if the records cannot be listed.
    pub fn artifacts(&self) -> Result<Vec<ListedArtifact>, StoreError> {
        Ok(ListedArtifact::of(self.actions()?))
    }

    /// Finds the artifacts whose file or content digest begins with the given digits, newest first.
    ///
    /// # Errors
    /// [`StoreError::Path`] if the records cannot be listed.
    pub fn find_artifacts(&self, digits: &str) -> Result<Vec<ListedArtifact>, StoreError> {
        let mut found = self.artifacts()?;
        found.retain(|listed| {
            let artifact = &listed.artifact;
            artifact.file.to_string().starts_with(digits) || artifact.content.to_string().starts_with(digits)
        });
        Ok(found)
    }

    /// Finds the stage keys with a record that begin with the given digits.
    ///
    /// # Errors
    /// [`StoreError::Path`] if the records cannot be listed.
    pub fn find_keys(&self, digits: &str) -> Result<Vec<StageKey>, StoreError> {
        let mut keys = self.action_keys()?;
        keys.retain(|key| key.to_string().starts_with(digits));
        Ok(keys)
    }

    /// Lists all blobs in the order of their names.
    ///
    /// # Errors
    /// [`StoreError::Path`] if the directories cannot be listed.
    pub fn blobs(&self) -> Result<Vec<BlobEntry>, StoreError> {
        let mut blobs = Vec::new();
        for (path, digest) in self.store.fanned("blobs", "")? {
            let metadata = self.store.files().metadata(&path).at("read", &path)?;
            blobs.push(BlobEntry {
                file: FileDigest::new(digest),
                bytes: metadata.len(),
            });
        }
        Ok(blobs)
    }

    pub(crate) fn action_keys(&self) -> Result<Vec<StageKey>, StoreError> {
        Ok(self
            .store
            .fanned("actions", ".json")?
            .into_iter()
            .map(|(_, digest)| StageKey::new(digest))
            .collect())
    }
}
