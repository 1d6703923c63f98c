//! Checkpoints: where a long stage can go on.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::sealed::{self, Sealed};
use crate::blobs::{Doubt, Look};
use crate::error::StoreError;
use crate::files::{AtPath, FileIdentity, PathError, Placed, publish};
use crate::names::{FileDigest, StageKey, domain};
use crate::store::Records;

pub(crate) const VERSION: u32 = 1;

/// Checkpoints kept besides those marked to keep.
const KEPT: usize = 2;

/// A state a stage can be resumed from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Steps done.
    pub step: u64,
    /// Blobs by name, such as weights and optimizer state.
    pub blobs: BTreeMap<String, FileDigest>,
    /// Everything small, such as positions and seeds.
    pub state: serde_json::Value,
    /// Whether it outlives newer ones; by default false.
    #[serde(default)]
    pub keep: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct CheckpointRecord {
    v: u32,
    key: StageKey,
    checkpoint: Checkpoint,
}

impl Records<'_> {
    /// Publishes a checkpoint whose blobs are in the store, then drops all but the last two and those to keep.
    ///
    /// A checkpoint of the same step that is there already stays.
    ///
    /// # Errors
    /// [`StoreError::MissingBlob`] if a blob is not in the store, or [`StoreError::Path`].
    pub fn publish_checkpoint(&self, key: &StageKey, checkpoint: Checkpoint) -> Result<(), StoreError> {
        for file in checkpoint.blobs.values() {
            self.store.blobs().inspect(file, None, Look::Size)?;
        }
        self.store.hold_all(checkpoint.blobs.values())?;
        let blobs: Vec<FileDigest> = checkpoint.blobs.values().copied().collect();
        let step = checkpoint.step;
        let path = self.store.layout().checkpoint(key, step);
        let record = CheckpointRecord {
            v: VERSION,
            key: *key,
            checkpoint,
        };
        let staged = self
            .store
            .stage_bytes(&sealed::seal(domain::CHECKPOINT, &record)?)?;
        for _ in 0..8 {
            if publish(&staged, &path)? == Placed::New
                || self.good_checkpoint(key, step).is_some()
                || self.newer_checkpoint(key, step)
            {
                self.store.renew(&path);
                self.store.still_there(&blobs)?;
                self.drop_old_checkpoints(key)?;
                return Ok(());
            }
        }
        Err(StoreError::Contention(path.display().to_string()))
    }

    /// Returns the checkpoint with the most steps whose blobs are good; damaged ones are set aside.
    ///
    /// # Errors
    /// [`StoreError::Path`] if the checkpoints cannot be listed.
    pub fn latest_checkpoint(&self, key: &StageKey) -> Result<Option<Checkpoint>, StoreError> {
        self.store
            .trash()
            .revive_directory(&self.store.layout().checkpoints(key));
        let steps = self.checkpoint_steps(key)?;
        Ok(steps
            .into_iter()
            .rev()
            .find_map(|step| self.good_checkpoint(key, step)))
    }

    /// Sets a checkpoint aside that holds something else than its stage takes; returns whether it is gone.
    pub fn reject_checkpoint(&self, key: &StageKey, step: u64) -> bool {
        let path = self.store.layout().checkpoint(key, step);
        let judged = self.store.files().metadata(&path);
        judged.is_ok_and(|metadata| {
            self.store
                .set_aside("checkpoint", &path, &FileIdentity::of(&metadata))
        })
    }

    /// Lists the steps of a stage that have a checkpoint, in rising order.
    ///
    /// # Errors
    /// [`StoreError::Path`] if the checkpoints cannot be listed.
    pub fn checkpoint_steps(&self, key: &StageKey) -> Result<Vec<u64>, StoreError> {
        let directory = self.store.layout().checkpoints(key);
        let mut steps = Vec::new();
        for entry in self.store.entries(&directory)? {
            let name = entry.file_name();
            let step = name
                .to_str()
                .and_then(|name| name.strip_suffix(".json")?.parse::<u64>().ok());
            steps.extend(step.filter(|step| self.store.layout().checkpoint(key, *step).ends_with(&name)));
        }
        steps.sort_unstable();
        Ok(steps)
    }

    pub(crate) fn good_checkpoint(&self, key: &StageKey, step: u64) -> Option<Checkpoint> {
        let path = self.store.layout().checkpoint(key, step);
        if !self.store.is_there(&path) {
            return None;
        }
        let judged = FileIdentity::of(&self.store.files().metadata(&path).ok()?);
        let record =
            match sealed::read::<CheckpointRecord>(self.store.files(), &path, domain::CHECKPOINT, VERSION)
                .ok()?
            {
                Sealed::Good(record) => record,
                Sealed::Corrupt { identity, .. } => {
                    self.store.set_aside("checkpoint", &path, &identity);
                    return None;
                }
                Sealed::Absent | Sealed::Newer { .. } => return None,
            };
        let CheckpointRecord {
            key: recorded,
            checkpoint,
            ..
        } = record;
        let mut doubt = recorded != *key || checkpoint.step != step;
        for file in checkpoint.blobs.values() {
            match self.store.blobs().inspect(file, None, Look::Once) {
                Ok(_) => {}
                Err(Doubt::Missing(_) | Doubt::Corrupt { .. }) => doubt = true,
                Err(Doubt::Unreadable(_)) => return None,
            }
        }
        if doubt {
            self.store.set_aside("checkpoint", &path, &judged);
            return None;
        }
        Some(checkpoint)
    }

    /// Tells whether a newer program wrote a checkpoint, which then stays as it is.
    pub(crate) fn newer_checkpoint(&self, key: &StageKey, step: u64) -> bool {
        let path = self.store.layout().checkpoint(key, step);
        sealed::is_newer(self.store.files(), &path, domain::CHECKPOINT, VERSION)
    }

    /// Drops records only: blobs are the collector's business.
    fn drop_old_checkpoints(&self, key: &StageKey) -> Result<(), StoreError> {
        let steps = self.checkpoint_steps(key)?;
        let Some(old) = steps.len().checked_sub(KEPT) else {
            return Ok(());
        };
        for step in &steps[..old] {
            let path = self.store.layout().checkpoint(key, *step);
            let sealed =
                sealed::read::<CheckpointRecord>(self.store.files(), &path, domain::CHECKPOINT, VERSION)?;
            if matches!(sealed, Sealed::Good(record) if !record.checkpoint.keep) {
                self.remove(&path)?;
            }
        }
        Ok(())
    }

    fn remove(&self, path: &Path) -> Result<(), PathError> {
        match self.store.files().remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).at("remove", path),
            _ => Ok(()),
        }
    }
}
