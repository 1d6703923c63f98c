//! Writing a blob in pieces.

use std::io::{self, Write};

use crate::error::{Fate, StoreError};
use crate::files::{PathError, StagedFile};
use crate::names::FileDigest;
use crate::store::{Blobs, Store};

/// Bytes that take longer to hash than a thread takes to start.
const LARGE: usize = 1 << 20;

impl Blobs<'_> {
    /// Stores bytes and returns their digest; bytes already there are not stored again.
    ///
    /// # Errors
    /// [`StoreError::Path`] if the store cannot be written.
    pub fn put_bytes(&self, bytes: &[u8]) -> Result<FileDigest, StoreError> {
        if bytes.len() >= LARGE {
            return self.put_large(bytes);
        }
        let file = FileDigest::of(bytes);
        if self.has_durable(&file, bytes.len() as u64)? {
            return Ok(file);
        }
        let mut staged = self.store.stage(Some(bytes.len() as u64))?;
        staged.write_all(bytes)?;
        self.place_blob(&file, &staged)?;
        Ok(file)
    }

    /// Writes while another thread hashes; what proves to be there already is not kept a second time.
    fn put_large(&self, bytes: &[u8]) -> Result<FileDigest, StoreError> {
        let (file, written) = std::thread::scope(|scope| {
            let hashing = scope.spawn(|| FileDigest::of(bytes));
            let written = self.store.stage(Some(bytes.len() as u64)).and_then(|mut staged| {
                staged.write_all(bytes)?;
                Ok(staged)
            });
            let file = hashing.join().unwrap_or_else(|_| FileDigest::of(bytes));
            (file, written)
        });
        // Also where there is no room for a second one.
        if self.has_durable(&file, bytes.len() as u64)? {
            return Ok(file);
        }
        self.place_blob(&file, &written?)?;
        Ok(file)
    }

    /// Begins a blob that is written in pieces; a size hint finds a full disk before the first byte.
    ///
    /// # Errors
    /// [`StoreError::Path`] if the store cannot be written.
    pub fn writer(&self, size_hint: Option<u64>) -> Result<BlobWriter, StoreError> {
        let staged = self.store.stage(size_hint)?;
        Ok(BlobWriter {
            store: self.store.clone(),
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
        self.store.blobs().place_blob(&file, &self.staged)?;
        Ok(file)
    }

    /// Makes the blob durable if its bytes have this digest, and otherwise leaves nothing.
    ///
    /// # Errors
    /// [`StoreError::CorruptBlob`] if the bytes have another digest, or [`StoreError::Path`].
    pub(crate) fn finish_as(mut self, expected: &FileDigest) -> Result<(), StoreError> {
        if let Some(failure) = self.failure.take() {
            return Err(failure.into());
        }
        let found = FileDigest::new(self.hasher.finalize().into());
        if found != *expected {
            return Err(StoreError::CorruptBlob {
                file: *expected,
                reason: format!("its bytes hash to `{}`", found.short()),
                fate: Fate::Untouched,
            });
        }
        self.store.blobs().place_blob(expected, &self.staged)
    }

    /// Appends bytes, with an error that names the path.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<(), PathError> {
        if bytes.len() < 4 * LARGE {
            self.hasher.update(bytes);
            return self.staged.write_all(bytes);
        }
        let (hasher, staged) = (&mut self.hasher, &mut self.staged);
        std::thread::scope(|scope| {
            scope.spawn(|| hasher.update(bytes));
            staged.write_all(bytes)
        })
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
