//! JSON values and web pages as artifacts.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::artifact::{Artifact, ArtifactKind};
use crate::canonical::{self, Value};
use crate::error::StoreError;
use crate::id::ContentDigest;
use crate::key::{self, domain};
use crate::store::Store;

impl Store {
    /// Stores a value as readable JSON; its content is its canonical encoding.
    ///
    /// # Errors
    /// [`StoreError::Canonical`] if the value holds not a number, or any error of writing.
    pub fn put_json<T: Serialize + ?Sized>(&self, value: &T) -> Result<Artifact, StoreError> {
        let canonical = canonical::encode(&Value::from_serialize(value)?)?;
        let mut bytes = serde_json::to_vec_pretty(value).map_err(|source| StoreError::Json {
            action: "write",
            source,
        })?;
        bytes.push(b'\n');
        self.put_whole(
            ArtifactKind::Json,
            &bytes,
            ContentDigest::new(key::derive(domain::JSON, &canonical)),
        )
    }

    /// Reads a value stored with [`Store::put_json`].
    ///
    /// # Errors
    /// [`StoreError::Kind`] for another artifact, [`StoreError::Json`] for a value of another shape.
    pub fn read_json<T: DeserializeOwned>(&self, artifact: &Artifact) -> Result<T, StoreError> {
        artifact.expect(ArtifactKind::Json)?;
        serde_json::from_slice(&self.read(&artifact.file)?).map_err(|source| StoreError::Json {
            action: "read",
            source,
        })
    }

    /// Stores a web page; its content is its bytes.
    ///
    /// # Errors
    /// Any error of writing.
    pub fn put_html(&self, page: &str) -> Result<Artifact, StoreError> {
        let content = ContentDigest::new(key::derive(domain::DOCUMENT, page.as_bytes()));
        self.put_whole(ArtifactKind::Html, page.as_bytes(), content)
    }

    fn put_whole(
        &self,
        kind: ArtifactKind,
        bytes: &[u8],
        content: ContentDigest,
    ) -> Result<Artifact, StoreError> {
        let file = self.put_bytes(bytes)?;
        Ok(Artifact {
            kind,
            file,
            content,
            bytes: bytes.len() as u64,
            rows: None,
        })
    }
}
