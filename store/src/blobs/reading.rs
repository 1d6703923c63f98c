//! Reading blobs whole, or finding the path of one whose bytes are good.

use std::collections::HashSet;
use std::fs::{File, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use super::length::Length;
use super::look::{Doubt, Look};
use crate::error::StoreError;
use crate::files::{FileIdentity, is_absent};
use crate::names::FileDigest;
use crate::size_limits::{LIST_LIMIT, WHOLE_LIMIT};
use crate::store::Blobs;

impl Blobs<'_> {
    /// Reads a blob of at most 4 GiB, hashing it.
    ///
    /// # Errors
    /// [`StoreError::MissingBlob`], [`StoreError::CorruptBlob`] after setting the blob aside, or
    /// [`StoreError::BlobSize`].
    pub fn read(&self, file: &FileDigest) -> Result<Vec<u8>, StoreError> {
        self.read_up_to(file, WHOLE_LIMIT)
    }

    /// Reads a blob that holds a list or a value of JSON.
    pub(crate) fn read_list(&self, file: &FileDigest) -> Result<Vec<u8>, StoreError> {
        self.read_up_to(file, LIST_LIMIT)
    }

    fn read_up_to(&self, file: &FileDigest, limit: u64) -> Result<Vec<u8>, StoreError> {
        match self.read_here(file, limit) {
            Err(StoreError::MissingBlob(_) | StoreError::CorruptBlob { .. })
                if self.store.fetch_elsewhere(file) =>
            {
                self.note_lost(file, self.read_here(file, limit))
            }
            read => self.note_lost(file, read),
        }
    }

    /// Remembers a blob that is nowhere to be had, though somebody relied on it.
    fn note_lost<T>(&self, file: &FileDigest, read: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(StoreError::MissingBlob(_) | StoreError::CorruptBlob { .. }) = read {
            self.store.lost().insert(*file);
        }
        read
    }

    /// Returns the blobs that somebody relied on and that were nowhere to be had since the last call.
    ///
    /// What names them is found lacking from now on, so whoever has them computed again comes further.
    pub fn take_lost(&self) -> HashSet<FileDigest> {
        std::mem::take(&mut *self.store.lost())
    }

    fn read_here(&self, file: &FileDigest, limit: u64) -> Result<Vec<u8>, StoreError> {
        let path = self.store.layout().blob(file);
        let (handle, metadata) = match self.open_blob(&path) {
            Ok(opened) => opened,
            Err(error) if self.store.files().is_nowhere(&path, &error) => {
                return Err(StoreError::MissingBlob(*file));
            }
            Err(error) => return Err(self.unreadable(file, error).into()),
        };
        if metadata.len() > limit {
            let (file, size) = (*file, metadata.len());
            return Err(StoreError::BlobSize { file, size, limit });
        }
        let mut hasher = blake3::Hasher::new();
        let bytes = self
            .store
            .files()
            .read_hashing(&handle, metadata.len(), &mut hasher)
            .map_err(|error| self.unreadable(file, error))?;
        let identity = FileIdentity::of(&metadata);
        let found = FileDigest::new(hasher.finalize().into());
        if found != *file {
            return Err(self.condemn(file, &identity, found).into());
        }
        self.store.verified().insert(*file, identity);
        Ok(bytes)
    }

    /// Returns the path of a blob, hashing it if this process has not yet done so for the file that is there.
    ///
    /// # Errors
    /// [`StoreError::MissingBlob`], or [`StoreError::CorruptBlob`] after setting the blob aside.
    pub fn path(&self, file: &FileDigest) -> Result<PathBuf, StoreError> {
        let looked = match self.inspect_length(file, Length::Any, Look::Once) {
            Err(Doubt::Missing(_) | Doubt::Corrupt { .. }) if self.store.fetch_elsewhere(file) => {
                self.inspect_length(file, Length::Any, Look::Once)
            }
            looked => looked,
        };
        self.note_lost(file, looked.map_err(StoreError::from))?;
        Ok(self.store.layout().blob(file))
    }

    /// Opens a blob, if need be out of the trash.
    pub(super) fn open_blob(&self, path: &Path) -> io::Result<(File, Metadata)> {
        match self.store.files().open_regular(path) {
            Err(error) if is_absent(&error) && self.store.trash().revive(path) => {
                self.store.files().open_regular(path)
            }
            opened => opened,
        }
    }
}
