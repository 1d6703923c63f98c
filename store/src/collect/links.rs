//! What a record leads to, read without holding the record.
//!
//! Records are not hashed here: a damaged one leads nowhere or to nothing, and what it named is computed again anyway.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::error::CollectError;
use crate::artifacts::ArtifactKind;
use crate::files::{AtPath, is_absent};
use crate::names::{ContentDigest, FileDigest, StageKey};
use crate::records::{action_record, checkpoint};
use crate::shards::shard;
use crate::size_limits::LIST_LIMIT;
use crate::store::Store;

/// The newest version of lists of blobs this program knows.
const MANIFEST_VERSION: u32 = 1;

/// What a collector needs of an action record.
#[derive(Debug, Deserialize)]
pub(crate) struct ActionLinks {
    pub(crate) preimage: FileDigest,
    pub(crate) stage: String,
    pub(crate) outputs: BTreeMap<String, OutputLink>,
    #[serde(default)]
    inputs: BTreeMap<String, InputLink>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct OutputLink {
    pub(crate) kind: ArtifactKind,
    pub(crate) file: FileDigest,
    pub(crate) content: ContentDigest,
}

#[derive(Debug, Deserialize)]
struct InputLink {
    #[serde(default)]
    stage: Option<StageKey>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ShardLinks {
    pub(crate) blob: FileDigest,
}

#[derive(Debug, Deserialize)]
struct CheckpointRecord {
    checkpoint: CheckpointLinks,
}

#[derive(Debug, Deserialize)]
pub(crate) struct CheckpointLinks {
    pub(crate) blobs: BTreeMap<String, FileDigest>,
    #[serde(default)]
    pub(crate) keep: bool,
}

#[derive(Debug, Deserialize)]
struct Version {
    #[serde(default)]
    v: u32,
}

#[derive(Debug, Deserialize)]
struct Named {
    file: FileDigest,
}

/// Both kinds of artifact that list other blobs.
#[derive(Debug, Deserialize)]
struct Manifest {
    #[serde(default)]
    schema: Option<Named>,
    #[serde(default)]
    blobs: Vec<Named>,
    #[serde(default)]
    files: Vec<Named>,
}

impl ActionLinks {
    /// Returns the stages whose results were read.
    pub(crate) fn inputs(&self) -> impl Iterator<Item = StageKey> + '_ {
        self.inputs.values().filter_map(|input| input.stage)
    }
}

impl Store {
    /// Reads what a stage record leads to, also one in the trash; `None` if there is none or it is damaged.
    pub(crate) fn action_links(&self, key: &StageKey) -> Result<Option<ActionLinks>, CollectError> {
        let path = self.layout().action(key);
        match self.links(&path, action_record::VERSION)? {
            Some(links) => Ok(Some(links)),
            None if self.files().exists(&path) => Ok(None),
            None => match self.trash().in_trash(&path)? {
                Some(path) => self.links(&path, action_record::VERSION),
                None => Ok(None),
            },
        }
    }

    pub(crate) fn shard_links(&self, path: &Path) -> Result<Option<ShardLinks>, CollectError> {
        self.links(path, shard::VERSION)
    }

    pub(crate) fn checkpoint_links(&self, path: &Path) -> Result<Option<CheckpointLinks>, CollectError> {
        let record = self.links::<CheckpointRecord>(path, checkpoint::VERSION)?;
        Ok(record.map(|record| record.checkpoint))
    }

    /// Lists the blobs that an artifact names in its own file, which may lie in the trash.
    pub(crate) fn member_links(
        &self,
        kind: ArtifactKind,
        file: &FileDigest,
    ) -> Result<Vec<FileDigest>, CollectError> {
        if !matches!(kind, ArtifactKind::Parts | ArtifactKind::Directory) {
            return Ok(Vec::new());
        }
        let path = self.layout().blob(file);
        let mut manifest = self.links::<Manifest>(&path, MANIFEST_VERSION)?;
        if manifest.is_none()
            && let Some(path) = self.trash().in_trash(&path)?
        {
            manifest = self.links(&path, MANIFEST_VERSION)?;
        }
        let Some(manifest) = manifest else {
            return Ok(Vec::new());
        };
        let named = manifest.schema.into_iter().chain(manifest.blobs);
        Ok(named.chain(manifest.files).map(|named| named.file).collect())
    }

    fn links<T: DeserializeOwned>(&self, path: &Path, known: u32) -> Result<Option<T>, CollectError> {
        let bytes = match self.files().read_bounded(path, LIST_LIMIT) {
            Ok((bytes, _)) => bytes,
            // What is no file, or too large for what it should be, is as good as absent.
            Err(error) if is_absent(&error) || error.kind() == ErrorKind::InvalidData => {
                return Ok(None);
            }
            // A file out of reach may be good: nothing may be collected on a guess.
            Err(error) => return Ok(Err(error).at("read", path)?),
        };
        match serde_json::from_slice(&bytes) {
            Ok(Version { v }) if v > known => Err(CollectError::Newer {
                path: path.display().to_string(),
                version: v,
                known,
            }),
            Ok(Version { .. }) => Ok(serde_json::from_slice(&bytes).ok()),
            Err(_) => Ok(None),
        }
    }
}
