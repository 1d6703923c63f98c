//! Writing a blob in pieces.

use std::io::{self, Write};

use crate::error::StoreError;
use crate::id::FileDigest;
use crate::path_error::PathError;
use crate::staging::StagedFile;
use crate::store::Store;

impl Store {
    /// Stores bytes and returns their digest; bytes already there are not stored again.
    ///
    /// # Errors
    /// [`StoreError::Path`] if the store cannot be written.
    pub fn put_bytes(&self, bytes: &[u8]) -> Result<FileDigest, StoreError> {
        let file = FileDigest::of(bytes);
        if self.has_durable(&file, bytes.len() as u64)? {
            return Ok(file);
        }
        let mut staged = self.stage(Some(bytes.len() as u64))?;
        staged.write_all(bytes)?;
        self.place_blob(&file, &staged)?;
        Ok(file)
    }

    /// Begins a blob that is written in pieces; a size hint finds a full disk before the first byte.
    ///
    /// # Errors
    /// [`StoreError::Path`] if the store cannot be written.
    pub fn writer(&self, size_hint: Option<u64>) -> Result<BlobWriter, StoreError> {
        let staged = self.stage(size_hint)?;
        Ok(BlobWriter {
            store: self.clone(),
            staged,
            hasher: blake3::Hasher::new(),
            failure: None,
        })
    }
}

/// A blob being written; dropping it before [`BlobWriter::finish`] leaves nothing behind.
#[derive(Debug)]
pub struct BlobWriter {
    store: Store,
    staged: StagedFile,
    hasher: blake3::Hasher,
    failure: Option<PathError>,
}

impl BlobWriter {
    /// Returns the bytes written so far.
    pub fn written(&self) -> u64 {
        self.staged.written()
    }

    /// Makes the blob durable and returns its digest.
    ///
    /// # Errors
    /// [`StoreError::Path`], also for an earlier write that failed.
    pub fn finish(mut self) -> Result<FileDigest, StoreError> {
        if let Some(failure) = self.failure.take() {
            return Err(failure.into());
        }
        let file = FileDigest::new(self.hasher.finalize().into());
        self.store.place_blob(&file, &self.staged)?;
        Ok(file)
    }

    /// Appends bytes, with an error that names the path.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<(), PathError> {
        self.staged.write_all(bytes)?;
        self.hasher.update(bytes);
        Ok(())
    }

    /// Takes the error that a write through [`Write`] had to flatten.
    pub(crate) fn take_failure(&mut self) -> Option<PathError> {
        self.failure.take()
    }
}

impl Write for BlobWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.append(bytes).map_err(|failure| {
            let error = io::Error::new(failure.io().kind(), failure.to_string());
            self.failure.get_or_insert(failure);
            error
        })?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
