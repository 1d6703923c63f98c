//! Giving staged files the names of blobs, and keeping the blobs that have them.

use super::length::Length;
use super::look::{Doubt, Look};
use crate::error::StoreError;
use crate::files::{Placed, StagedFile, publish};
use crate::names::FileDigest;
use crate::store::Blobs;

impl Blobs<'_> {
    /// Gives a staged file its name as a blob, replacing a damaged one that holds the name.
    pub(crate) fn place_blob(&self, file: &FileDigest, staged: &StagedFile) -> Result<(), StoreError> {
        let path = self.store.layout().blob(file);
        for _ in 0..4 {
            if publish(staged, &path)? == Placed::New || self.keep_existing(file, staged.written())? {
                return Ok(());
            }
        }
        Err(StoreError::Contention(path.display().to_string()))
    }

    /// Tells whether a good blob is there, and makes sure that its name is durable before anybody relies on it.
    pub(crate) fn has_durable(&self, file: &FileDigest, size: u64) -> Result<bool, StoreError> {
        let path = self.store.layout().blob(file);
        if !self.store.is_there(&path) || !self.keep_existing(file, size)? {
            return Ok(false);
        }
        self.store.volume().sync_name(&path)?;
        Ok(true)
    }

    /// Checks a blob that was there before; returns whether it can stay.
    pub(crate) fn keep_existing(&self, file: &FileDigest, size: u64) -> Result<bool, StoreError> {
        match self.inspect_length(file, Length::Exactly(size), Look::Once) {
            Ok(_) => Ok(self.store.hold(file)),
            Err(Doubt::Unreadable(error)) => Err(error.into()),
            Err(Doubt::Missing(_) | Doubt::Corrupt { .. }) => Ok(false),
        }
    }
}
