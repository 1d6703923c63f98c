//! JSON values and web pages as artifacts.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::artifact::{Artifact, ArtifactKind};
use crate::canonical::{self, Value};
use crate::error::StoreError;
use crate::names::{ContentDigest, FileDigest, domain, key};
use crate::store::Artifacts;

impl Artifacts<'_> {
    /// Stores a value as readable JSON; its content is its canonical encoding.
    ///
    /// # Errors
    /// [`StoreError::Canonical`] if the value holds not a number, or any error of writing.
    pub fn put_json<T: Serialize + ?Sized>(&self, value: &T) -> Result<Artifact, StoreError> {
        json_artifact(value, |bytes| self.store.blobs().put_bytes(bytes))
    }

    /// Reads a value stored with [`Artifacts::put_json`](crate::Artifacts::put_json).
    ///
    /// # Errors
    /// [`StoreError::Kind`] for another artifact, [`StoreError::Json`] for a value of another shape.
    pub fn read_json<T: DeserializeOwned>(&self, artifact: &Artifact) -> Result<T, StoreError> {
        artifact.expect(ArtifactKind::Json)?;
        serde_json::from_slice(&self.store.blobs().read_list(&artifact.file)?).map_err(StoreError::unread)
    }

    /// Stores a web page; its content is its bytes.
    ///
    /// # Errors
    /// Any error of writing.
    pub fn put_html(&self, page: &str) -> Result<Artifact, StoreError> {
        let content = ContentDigest::new(key::derive(domain::DOCUMENT, page.as_bytes()));
        let file = self.store.blobs().put_bytes(page.as_bytes())?;
        Ok(whole(ArtifactKind::Html, file, content, page.as_bytes()))
    }
}

/// Makes an artifact of a value, whose bytes become a blob in the caller's way.
pub(crate) fn json_artifact<T: Serialize + ?Sized>(
    value: &T,
    put: impl FnOnce(&[u8]) -> Result<FileDigest, StoreError>,
) -> Result<Artifact, StoreError> {
    let (bytes, content) = encode(value)?;
    let file = put(&bytes)?;
    Ok(whole(ArtifactKind::Json, file, content, &bytes))
}

/// Returns the bytes of a value and its content digest.
fn encode<T: Serialize + ?Sized>(value: &T) -> Result<(Vec<u8>, ContentDigest), StoreError> {
    let canonical = canonical::encode(&Value::from_serialize(value)?)?;
    let mut bytes = serde_json::to_vec_pretty(value).map_err(StoreError::unwritten)?;
    bytes.push(b'\n');
    Ok((bytes, ContentDigest::new(key::derive(domain::JSON, &canonical))))
}

fn whole(kind: ArtifactKind, file: FileDigest, content: ContentDigest, bytes: &[u8]) -> Artifact {
    Artifact {
        kind,
        file,
        content,
        bytes: bytes.len() as u64,
        rows: None,
    }
}
