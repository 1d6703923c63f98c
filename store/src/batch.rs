//! Many small blobs made durable together.

use std::collections::BTreeSet;

use crate::error::StoreError;
use crate::id::FileDigest;
use crate::publish::{Placed, publish_all};
use crate::staging::StagedFile;
use crate::store::Store;

/// Blobs that become durable with one [`Batch::commit`], about a hundred times faster than one by one.
///
/// Nothing of a batch is visible before it is committed, and dropping it leaves nothing behind. No file stays open, so
/// a batch may hold any number of blobs.
#[derive(Debug)]
pub struct Batch {
    store: Store,
    digests: BTreeSet<FileDigest>,
    staged: Vec<(StagedFile, FileDigest)>,
}

impl Store {
    /// Begins a batch.
    pub fn batch(&self) -> Batch {
        Batch {
            store: self.clone(),
            digests: BTreeSet::new(),
            staged: Vec::new(),
        }
    }
}

impl Batch {
    /// Stages bytes and returns the digest they will have.
    ///
    /// # Errors
    /// [`StoreError::Path`] if the store cannot be written.
    pub fn put_bytes(&mut self, bytes: &[u8]) -> Result<FileDigest, StoreError> {
        let file = FileDigest::of(bytes);
        if self.digests.insert(file) && !self.store.has_durable(&file, bytes.len() as u64)? {
            let mut staged = self.store.stage_bytes(bytes)?;
            staged.close()?;
            self.staged.push((staged, file));
        }
        Ok(file)
    }

    /// Makes all blobs durable.
    ///
    /// # Errors
    /// [`StoreError::Path`] if the store cannot be written; some blobs of the batch may then be there, whole.
    pub fn commit(self) -> Result<(), StoreError> {
        let (store, files) = (self.store, self.staged);
        let (files, digests): (Vec<_>, Vec<_>) = files
            .into_iter()
            .map(|(staged, file)| ((staged, store.layout().blob(&file)), file))
            .unzip();
        let placed = publish_all(&files)?;
        for (((staged, _), file), placed) in files.iter().zip(&digests).zip(placed) {
            if placed == Placed::Existed && !store.keep_existing(file, staged.written())? {
                store.place_blob(file, staged)?;
            }
        }
        Ok(())
    }
}
