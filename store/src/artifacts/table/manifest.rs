//! The list of rows that make up a table of parts.

use serde::{Deserialize, Serialize};

use super::error::TableError;
use super::outline::{Member, outline};
use crate::artifacts::{Artifact, ArtifactKind};
use crate::error::StoreError;
use crate::names::FileDigest;
use crate::store::Store;

/// Consecutive rows of a table that come from one blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// A table blob of the store.
    pub blob: FileDigest,
    /// Rows of the blob, counted from 0, in the order of the table.
    pub rows: Vec<u32>,
}

/// The rows of a table in order, as runs of rows of one blob each.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) v: u32,
    /// A Parquet file without rows that holds the schema and its metadata.
    pub(crate) schema: Member,
    /// The blobs, each once.
    pub(crate) blobs: Vec<Member>,
    /// Index of the blob and rows in it.
    pub(crate) runs: Vec<(usize, Vec<u32>)>,
}

impl Manifest {
    pub(crate) fn rows(&self) -> u64 {
        self.runs.iter().map(|(_, rows)| rows.len() as u64).sum()
    }

    /// Lists blob index and row in the order of the table.
    pub(crate) fn places(&self) -> impl Iterator<Item = (usize, u32)> {
        self.runs
            .iter()
            .flat_map(|(blob, rows)| rows.iter().map(|row| (*blob, *row)))
    }

    /// Joins neighbouring parts of one blob and lists each blob once.
    pub(crate) fn from_parts(schema: Member, parts: &[Part], bytes: impl Fn(&FileDigest) -> u64) -> Self {
        let mut index = std::collections::HashMap::new();
        let mut blobs = Vec::new();
        let mut runs: Vec<(usize, Vec<u32>)> = Vec::new();
        for part in parts.iter().filter(|part| !part.rows.is_empty()) {
            let blob = *index.entry(part.blob).or_insert_with(|| {
                blobs.push(Member {
                    file: part.blob,
                    bytes: bytes(&part.blob),
                });
                blobs.len() - 1
            });
            match runs.last_mut() {
                Some((last, rows)) if *last == blob => rows.extend_from_slice(&part.rows),
                _ => runs.push((blob, part.rows.clone())),
            }
        }
        Self {
            v: 1,
            schema,
            blobs,
            runs,
        }
    }
}

/// Reads and checks the manifest of a table of parts.
pub(crate) fn read_manifest(store: &Store, artifact: &Artifact) -> Result<Manifest, StoreError> {
    artifact.expect(ArtifactKind::Parts)?;
    let list = store.blobs().read_list(&artifact.file)?;
    // Rows and runs are counted before any is kept.
    outline(&list, artifact.rows)?;
    Ok(serde_json::from_slice(&list).map_err(TableError::Manifest)?)
}
