//! Directories as artifacts: a list of names and blobs.

use serde::{Deserialize, Serialize};

use super::artifact::{Artifact, ArtifactKind};
use crate::blobs::Look;
use crate::error::StoreError;
use crate::names::{ContentDigest, FileDigest, check_names, domain};
use crate::store::Artifacts;

/// What goes into a directory under one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DirectoryEntry {
    /// Bytes held in memory.
    Bytes(Vec<u8>),
    /// A blob of the store.
    Blob(FileDigest),
}

/// One file of a directory in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectoryFile {
    /// Name relative to the directory, parts separated by `/`.
    pub name: String,
    /// The blob that holds the file.
    pub file: FileDigest,
    /// Bytes of the file.
    pub bytes: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    v: u32,
    files: Vec<DirectoryFile>,
}

impl Artifacts<'_> {
    /// Stores named files as one artifact.
    ///
    /// # Errors
    /// [`StoreError::Name`] for a name that may not become a path, [`StoreError::MissingBlob`] for a blob the store
    /// lacks, or any error of writing.
    pub fn put_directory(&self, entries: &[(String, DirectoryEntry)]) -> Result<Artifact, StoreError> {
        check_names(entries.iter().map(|(name, _)| name.as_str()))?;
        let mut batch = self.store.records().batch();
        let mut files = Vec::with_capacity(entries.len());
        for (name, entry) in entries {
            let (file, bytes) = match entry {
                DirectoryEntry::Bytes(bytes) => (batch.put_bytes(bytes)?, bytes.len() as u64),
                DirectoryEntry::Blob(file) => (*file, self.store.blobs().inspect(file, None, Look::Size)?),
            };
            files.push(DirectoryFile {
                name: name.clone(),
                file,
                bytes,
            });
        }
        batch.commit()?;
        files.sort_by(|a, b| a.name.cmp(&b.name));
        let content = content(&files);
        let manifest = serde_json::to_vec_pretty(&Manifest { v: 1, files }).map_err(StoreError::unwritten)?;
        let file = self.store.blobs().put_bytes(&manifest)?;
        Ok(Artifact {
            kind: ArtifactKind::Directory,
            file,
            content,
            bytes: manifest.len() as u64,
            rows: None,
        })
    }

    /// Lists the files of a directory, sorted by name; their names were checked again.
    ///
    /// # Errors
    /// [`StoreError`] if the list is missing, damaged or holds a name that may not become a path.
    pub fn read_directory(&self, artifact: &Artifact) -> Result<Vec<DirectoryFile>, StoreError> {
        artifact.expect(ArtifactKind::Directory)?;
        let manifest: Manifest = serde_json::from_slice(&self.store.blobs().read_list(&artifact.file)?)
            .map_err(StoreError::unread)?;
        check_names(manifest.files.iter().map(|file| file.name.as_str()))?;
        Ok(manifest.files)
    }
}

pub(crate) fn members(files: &[DirectoryFile]) -> Vec<(FileDigest, u64)> {
    files.iter().map(|file| (file.file, file.bytes)).collect()
}

/// Hashes names and file digests in the order of the names.
pub(crate) fn content(files: &[DirectoryFile]) -> ContentDigest {
    let mut hasher = blake3::Hasher::new_derive_key(domain::DIRECTORY);
    for file in files {
        hasher.update(&(file.name.len() as u64).to_le_bytes());
        hasher.update(file.name.as_bytes());
        hasher.update(file.file.as_bytes());
    }
    ContentDigest::new(hasher.finalize().into())
}
