//! Digests of what stages read outside the store.

use std::path::Path;

use mitune_store::{ContentDigest, FileIdentity};

use super::stage_error::StageError;

/// Digests of files outside the store, remembered from run to run by file identity.
pub trait ExternalDigests {
    /// Returns the digest of `files` for `purpose`, calling `compute` only if a file changed since the last time.
    ///
    /// `compute` must open the files itself. It is not asked while a remembered digest can be that of the files, which
    /// only the digest of what is read later proves.
    ///
    /// The purpose names the way of hashing with its version, such as `tensors/1`, because one file may be digested
    /// in several ways.
    ///
    /// # Errors
    /// What `compute` returns, or [`StageError::Configuration`] if a file cannot be looked at.
    fn digest(
        &self,
        purpose: &str,
        files: &[&Path],
        compute: &mut dyn FnMut() -> Result<Digested, StageError>,
    ) -> Result<ContentDigest, StageError>;

    /// Forgets all digests, because one was found not to be that of its files.
    fn forget(&self) {}
}

/// A digest, and what it was made from.
#[derive(Clone, Debug)]
pub struct Digested {
    /// The digest.
    pub digest: ContentDigest,
    /// The files whose bytes were hashed, as they were open: others may have taken their names meanwhile.
    pub read: Vec<FileIdentity>,
}
