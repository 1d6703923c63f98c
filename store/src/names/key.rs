//! Keys derived from canonical values, one hash domain per kind.

use super::digest::Digest;
use super::id::{FamilyKey, ItemKey, PipelineDigest, StageKey};
use crate::canonical::{self, CanonicalError, Value};

/// The hash domains. A change of meaning takes a new string, so old entries simply no longer match.
pub(crate) mod domain {
    pub(crate) const ACTION: &str = "mitune 2026 action v1";
    pub(crate) const FAMILY: &str = "mitune 2026 family v1";
    pub(crate) const ITEM: &str = "mitune 2026 item v1";
    pub(crate) const ROW: &str = "mitune 2026 row v1";
    pub(crate) const TABLE: &str = "mitune 2026 table content v1";
    pub(crate) const TENSORS: &str = "mitune 2026 tensors content v1";
    pub(crate) const DIRECTORY: &str = "mitune 2026 directory content v1";
    pub(crate) const JSON: &str = "mitune 2026 json content v1";
    pub(crate) const DOCUMENT: &str = "mitune 2026 document content v1";
    pub(crate) const SHARD: &str = "mitune 2026 shard name v1";
    pub(crate) const ACTION_RECORD: &str = "mitune 2026 action record v1";
    pub(crate) const SHARD_RECORD: &str = "mitune 2026 shard record v1";
    pub(crate) const CHECKPOINT: &str = "mitune 2026 checkpoint record v1";
    pub(crate) const PORTION: &str = "mitune 2026 portion v1";
    pub(crate) const PIPELINE: &str = "mitune 2026 pipeline v1";
    pub(crate) const RUN_MEMBER: &str = "mitune 2026 run member v1";
    pub(crate) const RUN: &str = "mitune 2026 run record v1";
    pub(crate) const TOMBSTONE: &str = "mitune 2026 tombstone record v1";
    pub(crate) const SIGNED_ACTION: &str = "mitune 2026 signed action record v1";
    pub(crate) const SIGNED_SHARD: &str = "mitune 2026 signed shard record v1";
    pub(crate) const PIN: &str = "mitune 2026 pin record v1";
}

/// Hashes bytes within a domain.
pub(crate) fn derive(domain: &str, bytes: &[u8]) -> Digest {
    Digest::new(blake3::derive_key(domain, bytes))
}

impl StageKey {
    /// Derives the key of a stage from everything that determines its result.
    ///
    /// # Errors
    /// [`CanonicalError`] if the value has no canonical encoding.
    pub fn derive(preimage: &Value) -> Result<Self, CanonicalError> {
        Ok(Self::new(derive(domain::ACTION, &canonical::encode(preimage)?)))
    }
}

impl PipelineDigest {
    /// Derives the digest of a pipeline from everything that determines its stages.
    ///
    /// # Errors
    /// [`CanonicalError`] if the value has no canonical encoding.
    pub fn derive(pipeline: &Value) -> Result<Self, CanonicalError> {
        Ok(Self::new(derive(domain::PIPELINE, &canonical::encode(pipeline)?)))
    }
}

impl FamilyKey {
    /// Derives the key of a family from what its items have in common.
    ///
    /// # Errors
    /// [`CanonicalError`] if the value has no canonical encoding.
    pub fn derive(common: &Value) -> Result<Self, CanonicalError> {
        Ok(Self::new(derive(domain::FAMILY, &canonical::encode(common)?)))
    }
}

impl ItemKey {
    /// Derives the key of an item from its family and what tells it apart there.
    ///
    /// # Errors
    /// [`CanonicalError`] if the value has no canonical encoding.
    pub fn derive(family: &FamilyKey, item: &Value) -> Result<Self, CanonicalError> {
        let mut bytes = family.as_bytes().to_vec();
        bytes.extend(canonical::encode(item)?);
        Ok(Self::new(derive(domain::ITEM, &bytes)))
    }
}
