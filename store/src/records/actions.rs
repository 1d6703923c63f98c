//! Publishing action records.

use std::path::Path;

use super::action_record::{ActionRecord, VERSION};
use super::sealed::{self, Sealed};
use crate::blobs::{Doubt, Length, Look};
use crate::canonical::Value;
use crate::error::StoreError;
use crate::files::{FileIdentity, Placed, is_directory, move_if_same, parent, publish};
use crate::names::{FileDigest, Object, StageKey, domain};
use crate::size_limits::{ACTION_LIMIT, PREIMAGE_LIMIT};
use crate::store::Records;

/// Whose result a key has after publishing.
#[derive(Debug, Clone, PartialEq)]
pub enum Published {
    /// The one just published.
    Won(ActionRecord),
    /// One that was there before. If it differs, the loser was kept under `divergent/`.
    Adopted(ActionRecord),
}

impl Published {
    /// Returns the record that everybody uses from now on.
    pub fn into_record(self) -> ActionRecord {
        match self {
            Self::Won(record) | Self::Adopted(record) => record,
        }
    }
}

impl Records<'_> {
    /// Stores the value a key was derived from, as readable JSON.
    ///
    /// # Errors
    /// [`StoreError`] if the value has no canonical encoding or the store cannot be written.
    pub fn put_preimage(&self, preimage: &Value) -> Result<FileDigest, StoreError> {
        self.store.blobs().put_bytes(&Self::preimage_bytes(preimage)?)
    }

    pub(crate) fn preimage_bytes(preimage: &Value) -> Result<Vec<u8>, StoreError> {
        serde_json::to_vec_pretty(preimage).map_err(StoreError::unwritten)
    }

    /// Reads the value a key was derived from.
    ///
    /// # Errors
    /// [`StoreError`] if the blob is missing, damaged or not such a value.
    pub fn read_preimage(&self, preimage: &FileDigest) -> Result<Value, StoreError> {
        let bytes = self.store.blobs().read_list(preimage)?;
        serde_json::from_slice(&bytes).map_err(StoreError::unread)
    }

    /// Stores the value a key was derived from again if the blob of a record is gone or damaged; nothing else needs it,
    /// so a result is none the worse without.
    ///
    /// # Errors
    /// Those of [`Records::put_preimage`](crate::Records::put_preimage).
    pub fn mend_preimage(&self, record: &ActionRecord, preimage: &Value) -> Result<(), StoreError> {
        if self.store.writable() && !self.has_preimage(&record.preimage) {
            self.put_preimage(preimage)?;
        }
        Ok(())
    }

    /// Tells whether the value a key was derived from is in this store itself, hashing it once per process.
    pub(crate) fn has_preimage(&self, preimage: &FileDigest) -> bool {
        match self
            .store
            .blobs()
            .inspect_length(preimage, Length::AtMost(PREIMAGE_LIMIT), Look::Once)
        {
            Ok(_) => true,
            // One out of reach is not there to be judged; it may be good.
            Err(doubt) => matches!(doubt, Doubt::Unreadable(_)),
        }
    }

    /// Publishes the validated result of a stage: the first one wins and everybody adopts it.
    ///
    /// A later result with other contents is kept under `divergent/`; use [`ActionRecord::same_results`] to tell. A
    /// record whose blobs are gone or damaged does not stand in the way.
    ///
    /// # Errors
    /// [`StoreError::MissingBlob`] if the record names a blob the store lacks, [`StoreError::Preimage`] if its key
    /// does not follow from its preimage, [`StoreError::RecordSize`], or [`StoreError::Path`].
    pub fn publish(&self, mut record: ActionRecord) -> Result<Published, StoreError> {
        check_key(&record, &self.read_preimage(&record.preimage)?)?;
        self.hold_results(&record)?;
        let bytes = self.sign_and_seal(&mut record)?;
        let published = self.publish_bytes(record, &bytes)?;
        match &published {
            Published::Won(record) => self.store.write_back(Object::Action(record.key)),
            Published::Adopted(winner) => self.store.mend_elsewhere(Object::Action(winner.key)),
        }
        Ok(published)
    }

    /// Signs a record if this user has a key, and writes it as it stands in its file.
    pub(crate) fn sign_and_seal(&self, record: &mut ActionRecord) -> Result<Vec<u8>, StoreError> {
        record.sig = None;
        record.sig = self.store.signature(domain::SIGNED_ACTION, record)?;
        let bytes = sealed::seal(domain::ACTION_RECORD, record)?;
        if bytes.len() > ACTION_LIMIT {
            return Err(StoreError::RecordSize {
                size: bytes.len(),
                limit: ACTION_LIMIT,
            });
        }
        Ok(bytes)
    }

    /// Does what follows once a new record has its name.
    ///
    /// A collection may have taken a blob in the last moment: the record is then taken back.
    pub(crate) fn settle(&self, record: &ActionRecord, path: &Path) -> Result<(), StoreError> {
        if let Err(doubt) = self.store.still_there(&self.result_blobs(record)) {
            if let Ok(metadata) = self.store.files().metadata(path) {
                self.displace(record, &FileIdentity::of(&metadata))?;
            }
            return Err(doubt.into());
        }
        self.store.forget_drop(&record.key);
        self.store.catalog().index_published(record, path);
        Ok(())
    }

    /// Gives a record, as these bytes, its name, unless a good one has it.
    pub(crate) fn publish_bytes(&self, record: ActionRecord, bytes: &[u8]) -> Result<Published, StoreError> {
        let staged = self.store.stage_bytes(bytes)?;
        let path = self.store.layout().action(&record.key);
        for _ in 0..8 {
            // A result in the trash was first.
            self.store.is_there(&path);
            if publish(&staged, &path)? == Placed::New {
                self.settle(&record, &path)?;
                return Ok(Published::Won(record));
            }
            let judged = self
                .store
                .files()
                .metadata(&path)
                .map(|metadata| FileIdentity::of(&metadata));
            match self.read_action(&record.key)? {
                Sealed::Good(winner) => match self.inspect_results(&winner, Look::Once) {
                    Ok(()) => {
                        self.store.renew(&path);
                        if self.store.hold_all(&self.result_blobs(&winner)).is_err()
                            || !self.store.is_there(&path)
                        {
                            continue;
                        }
                        if !winner.same_results(&record) {
                            let name = FileDigest::of(bytes);
                            publish(&staged, &self.store.layout().divergent(&record.key, &name))?;
                        }
                        self.store.forget_drop(&record.key);
                        return Ok(Published::Adopted(winner));
                    }
                    Err(Doubt::Unreadable(error)) => return Err(error.into()),
                    Err(Doubt::Missing(_) | Doubt::Corrupt { .. }) => {
                        if let Ok(judged) = judged {
                            self.displace(&winner, &judged)?;
                        }
                    }
                },
                Sealed::Newer { version } => {
                    let name = format!("{}.json", record.key);
                    return Err(StoreError::NewerRecord {
                        name,
                        version,
                        known: VERSION,
                    });
                }
                Sealed::Absent | Sealed::Corrupt { .. } => {}
            }
        }
        Err(StoreError::Contention(path.display().to_string()))
    }

    /// Moves a record whose blobs are gone out of the way, keeping it as history.
    pub(crate) fn displace(&self, record: &ActionRecord, judged: &FileIdentity) -> Result<(), StoreError> {
        let name = FileDigest::of(&sealed::seal(domain::ACTION_RECORD, record)?);
        let aside = self.store.layout().divergent(&record.key, &name);
        let action = self.store.layout().action(&record.key);
        if !move_if_same(self.store.files(), &action, &aside, judged)
            && !is_directory(self.store.files(), parent(&aside))
        {
            // Something else has the name of a directory: the next attempt finds the way clear.
            self.store.volume().ensure_directory(parent(&aside))?;
        }
        Ok(())
    }
}

/// Checks that the key of a record follows from its preimage.
pub(crate) fn check_key(record: &ActionRecord, preimage: &Value) -> Result<(), StoreError> {
    let derived = StageKey::derive(preimage)?;
    if derived == record.key {
        return Ok(());
    }
    Err(StoreError::Preimage {
        derived,
        recorded: record.key,
    })
}
