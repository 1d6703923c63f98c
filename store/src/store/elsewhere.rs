//! Where else results may be had, and who hears of new ones.
//!
//! A store knows nothing of remotes: it asks whatever was attached to it, and `sharing` is what is attached.

use std::fmt;

use serde::Serialize;

use super::Store;
use crate::blobs::Look;
use crate::error::StoreError;
use crate::names::{FamilyKey, FileDigest, Object, StageKey};
use crate::records::ActionRecord;
use crate::trust::{RecordSignature, SecretKey, sign};

/// What is attached to an open store: other places that have results, and a key to sign with.
///
/// It never makes work fail: a place that does not answer or refuses counts as having nothing.
pub(crate) trait Elsewhere: fmt::Debug + Send + Sync {
    /// Returns the key that new records are signed with, if there is one.
    fn signer(&self) -> Option<&SecretKey>;
    /// Returns the size of a blob that another place has.
    fn blob_size(&self, store: &Store, file: &FileDigest, size: Option<u64>) -> Option<u64>;
    /// Tells whether another place has a blob.
    fn has_blob(&self, store: &Store, file: &FileDigest) -> bool;
    /// Fetches a blob that the store lacks; returns whether it is here now.
    fn fetch_blob(&self, store: &Store, file: &FileDigest) -> bool;
    /// Takes over the result of a stage; a mere look takes nothing.
    fn take_action(&self, store: &Store, key: &StageKey, look: Look) -> Option<ActionRecord>;
    /// Takes over the shards of a family.
    fn take_shards(&self, store: &Store, family: &FamilyKey) -> Result<(), StoreError>;
    /// Sends on a record that was just published, in the background.
    fn published(&self, store: &Store, object: Object);
    /// Sends on a record that was published before to the places that are not known to have it, in the background.
    fn catch_up(&self, store: &Store, object: Object);
    /// Sends on a record whose blobs were computed again to the places that had bad ones.
    fn mended(&self, store: &Store, object: Object);
    /// Says at the end of a run what it took on trust.
    fn run_ended(&self);
    /// Waits until everything was sent on or given up.
    fn flush(&self);
}

impl Store {
    /// Waits until what was published has reached the remotes, or was given up with a warning.
    pub fn flush_remotes(&self) {
        if let Some(elsewhere) = self.elsewhere() {
            elsewhere.flush();
        }
    }

    /// Signs a record if the user has a key.
    pub(crate) fn signature(
        &self,
        domain: &str,
        record: &impl Serialize,
    ) -> Result<Option<RecordSignature>, StoreError> {
        let signer = self.elsewhere().and_then(|elsewhere| elsewhere.signer());
        signer.map(|key| sign(key, domain, record)).transpose()
    }

    /// Sends a record that was just published to the remotes, in the background.
    pub(crate) fn write_back(&self, object: Object) {
        if let Some(elsewhere) = self.elsewhere() {
            elsewhere.published(self, object);
        }
    }

    /// Sends a record whose blobs were computed again to the remotes that had bad ones, which are mended so.
    pub(crate) fn mend_elsewhere(&self, object: Object) {
        if let Some(elsewhere) = self.elsewhere() {
            elsewhere.mended(self, object);
        }
    }

    /// Returns the size of a blob that a remote has.
    pub(crate) fn size_elsewhere(&self, file: &FileDigest, size: Option<u64>) -> Option<u64> {
        self.elsewhere()?.blob_size(self, file, size)
    }

    /// Tells whether a remote has a blob.
    pub(crate) fn is_elsewhere(&self, file: &FileDigest) -> bool {
        self.elsewhere()
            .is_some_and(|elsewhere| elsewhere.has_blob(self, file))
    }

    /// Fetches a blob that the store lacks from a remote; returns whether it is here now.
    pub(crate) fn fetch_elsewhere(&self, file: &FileDigest) -> bool {
        self.elsewhere()
            .is_some_and(|elsewhere| elsewhere.fetch_blob(self, file))
    }

    /// Takes the result of a stage over from a remote; a mere look takes nothing.
    pub(crate) fn action_elsewhere(&self, key: &StageKey, look: Look) -> Option<ActionRecord> {
        self.elsewhere()?.take_action(self, key, look)
    }

    /// Takes over the shards of a family that remotes have.
    pub(crate) fn shards_elsewhere(&self, family: &FamilyKey) -> Result<(), StoreError> {
        match self.elsewhere() {
            Some(elsewhere) => elsewhere.take_shards(self, family),
            None => Ok(()),
        }
    }
}
