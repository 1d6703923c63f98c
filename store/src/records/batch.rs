//! Many small blobs and records made durable together.

use std::collections::BTreeSet;

use serde::Serialize;

use super::action_record::ActionRecord;
use super::actions::check_key;
use crate::artifacts::{Artifact, json_artifact};
use crate::canonical::Value;
use crate::error::StoreError;
use crate::files::{Placed, StagedFile, publish_all};
use crate::names::{FileDigest, Object};
use crate::store::{Records, Store};

/// Blobs and records that become durable with one [`Batch::commit`], about a hundred times faster than one by one.
///
/// Nothing of a batch is visible before it is committed, and dropping it leaves nothing behind. No file stays open, so
/// a batch may hold any number of them.
#[derive(Debug)]
pub struct Batch {
    store: Store,
    digests: BTreeSet<FileDigest>,
    staged: Vec<(StagedFile, FileDigest)>,
    records: Vec<(StagedFile, ActionRecord)>,
}

impl Records<'_> {
    /// Begins a batch.
    pub fn batch(&self) -> Batch {
        Batch {
            store: self.store.clone(),
            digests: BTreeSet::new(),
            staged: Vec::new(),
            records: Vec::new(),
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
        if self.digests.insert(file) && !self.store.blobs().has_durable(&file, bytes.len() as u64)? {
            let mut staged = self.store.stage_bytes(bytes)?;
            staged.close()?;
            self.staged.push((staged, file));
        }
        Ok(file)
    }

    /// Stages a value like [`Artifacts::put_json`](crate::Artifacts::put_json).
    ///
    /// # Errors
    /// Those of [`Artifacts::put_json`](crate::Artifacts::put_json).
    pub fn put_json<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<Artifact, StoreError> {
        json_artifact(value, |bytes| self.put_bytes(bytes))
    }

    /// Stages the record of a result together with what its key is derived from, see [`Records::publish`](crate::Records::publish).
    ///
    /// Its blobs are in the store or in this batch.
    ///
    /// # Errors
    /// [`StoreError::Preimage`] if the key does not follow from the preimage, [`StoreError::RecordSize`], or
    /// [`StoreError::Path`] if the store cannot be written.
    pub fn put_record(&mut self, mut record: ActionRecord, preimage: &Value) -> Result<(), StoreError> {
        check_key(&record, preimage)?;
        record.preimage = self.put_bytes(&Records::preimage_bytes(preimage)?)?;
        let bytes = self.store.records().sign_and_seal(&mut record)?;
        let mut staged = self.store.stage_bytes(&bytes)?;
        staged.close()?;
        self.records.push((staged, record));
        Ok(())
    }

    /// Makes all blobs durable, then all records.
    ///
    /// # Errors
    /// [`StoreError::MissingBlob`] if a record names a blob that is nowhere, [`StoreError::Path`] if the store cannot
    /// be written; some blobs and records of the batch may then be there, whole.
    pub fn commit(mut self) -> Result<(), StoreError> {
        let records = std::mem::take(&mut self.records);
        let store = self.store.clone();
        self.commit_blobs()?;
        for (_, record) in &records {
            store.records().hold_results(record)?;
        }
        let (files, records): (Vec<_>, Vec<_>) = records
            .into_iter()
            .map(|(staged, record)| ((staged, store.layout().action(&record.key)), record))
            .unzip();
        let placed = publish_all(&files)?;
        for (((_, path), record), placed) in files.iter().zip(records).zip(placed) {
            match placed {
                Placed::New => {
                    store.records().settle(&record, path)?;
                    store.write_back(Object::Action(record.key));
                }
                Placed::Existed => drop(store.records().publish(record)?),
            }
        }
        Ok(())
    }

    fn commit_blobs(self) -> Result<(), StoreError> {
        let (store, files) = (self.store, self.staged);
        let (files, digests): (Vec<_>, Vec<_>) = files
            .into_iter()
            .map(|(staged, file)| ((staged, store.layout().blob(&file)), file))
            .unzip();
        let placed = publish_all(&files)?;
        for (((staged, _), file), placed) in files.iter().zip(&digests).zip(placed) {
            if placed == Placed::Existed && !store.blobs().keep_existing(file, staged.written())? {
                store.blobs().place_blob(file, staged)?;
            }
        }
        Ok(())
    }
}
