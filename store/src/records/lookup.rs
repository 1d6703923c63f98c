//! Looking up the result of a stage key.

use super::action_record::{ActionRecord, VERSION};
use super::sealed::{self, Sealed};
use crate::blobs::{Doubt, Look};
use crate::files::{FileIdentity, PathError};
use crate::names::{FileDigest, StageKey, domain};
use crate::store::Records;

/// Whether the result of a stage is there.
#[derive(Debug)]
pub enum Lookup {
    /// The result, every blob of it present and good.
    Hit(Box<ActionRecord>),
    /// No result that can be relied on.
    Miss(MissReason),
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum MissReason {
    /// Nobody published a result.
    #[error("Never computed")]
    NotRecorded,
    /// The record or a blob was damaged; it was set aside where the store may be written.
    #[error("{what} is damaged: {reason}")]
    Corrupt {
        /// What was damaged.
        what: String,
        /// How it was told.
        reason: String,
    },
    /// A blob of the result is gone, as after a collection.
    #[error("Blob `{file}` of the result is gone")]
    MissingBlob {
        /// The name of the blob.
        file: FileDigest,
    },
    /// A file could not be read at all.
    #[error("The result cannot be read")]
    Unreadable {
        /// Why.
        source: PathError,
    },
    /// The result was disowned.
    #[error("The result was disowned: {why}")]
    Disowned {
        /// Why, in the words of whoever did it.
        why: String,
    },
    /// A newer program wrote the record.
    #[error("The record has version {version}, this program knows {known}")]
    NewerRecord {
        /// Its version.
        version: u32,
        /// The newest version known here.
        known: u32,
    },
}

impl Records<'_> {
    /// Looks up the result of a stage and checks every blob of it, hashing each once per process.
    ///
    /// Never fails: any doubt is a miss, and what is damaged is set aside so that a new result can take its place.
    pub fn lookup(&self, key: &StageKey) -> Lookup {
        self.look_up(key, Look::Once)
    }

    /// Looks up the result of a stage by existence and size of its blobs only, for plans and listings.
    pub fn peek(&self, key: &StageKey) -> Lookup {
        self.look_up(key, Look::Size)
    }

    fn look_up(&self, key: &StageKey, look: Look) -> Lookup {
        let reason = match self.look_here(key, look) {
            Lookup::Miss(
                reason @ (MissReason::NotRecorded
                | MissReason::Corrupt { .. }
                | MissReason::MissingBlob { .. }
                | MissReason::Disowned { .. }),
            ) => reason,
            found => return found,
        };
        match self.store.action_elsewhere(key, look) {
            Some(record) => Lookup::Hit(Box::new(record)),
            None => Lookup::Miss(reason),
        }
    }

    fn look_here(&self, key: &StageKey, look: Look) -> Lookup {
        let reason = match self.read_action(key) {
            Err(source) => MissReason::Unreadable { source },
            Ok(Sealed::Absent) => match self.disowned_before(key) {
                Some(why) => MissReason::Disowned { why },
                None => MissReason::NotRecorded,
            },
            Ok(Sealed::Newer { version }) => MissReason::NewerRecord {
                version,
                known: VERSION,
            },
            Ok(Sealed::Corrupt { reason, .. }) => MissReason::Corrupt {
                what: format!("Action record `{}`", key.short()),
                reason,
            },
            Ok(Sealed::Good(record)) => match self.inspect_results(&record, look) {
                Ok(()) => return Lookup::Hit(Box::new(record)),
                Err(doubt) => doubt.into(),
            },
        };
        Lookup::Miss(reason)
    }

    /// Reads an action record without looking at its blobs; a damaged one is set aside.
    pub(crate) fn read_action(&self, key: &StageKey) -> Result<Sealed<ActionRecord>, PathError> {
        let path = self.store.layout().action(key);
        let read = || sealed::read::<ActionRecord>(self.store.files(), &path, domain::ACTION_RECORD, VERSION);
        let mut sealed = read()?;
        if matches!(sealed, Sealed::Absent) && self.store.trash().revive(&path) {
            sealed = read()?;
        }
        if let Sealed::Good(record) = &sealed
            && record.key != *key
            && let Ok(metadata) = self.store.files().metadata(&path)
        {
            let reason = format!("it holds the key `{}`", record.key.short());
            sealed = Sealed::Corrupt {
                identity: FileIdentity::of(&metadata),
                reason,
            };
        }
        if let Sealed::Corrupt { identity, .. } = &sealed {
            self.store.set_aside("action", &path, identity);
        }
        if matches!(sealed, Sealed::Good(_)) && self.is_disowned_action(key) {
            return Ok(Sealed::Absent);
        }
        Ok(sealed)
    }

    /// Reads an action record without looking at its blobs, `None` if there is none to rely on.
    pub(crate) fn good_action(&self, key: &StageKey) -> Option<ActionRecord> {
        match self.read_action(key) {
            Ok(Sealed::Good(record)) => Some(record),
            _ => None,
        }
    }

    /// Reads an action record as it stands, without setting aside what is damaged or looking into the trash.
    pub(crate) fn recorded_action(&self, key: &StageKey) -> Option<ActionRecord> {
        let path = self.store.layout().action(key);
        match sealed::read(self.store.files(), &path, domain::ACTION_RECORD, VERSION) {
            Ok(Sealed::Good(record)) => Some(record),
            _ => None,
        }
    }
}

impl From<Doubt> for MissReason {
    fn from(doubt: Doubt) -> Self {
        match doubt {
            Doubt::Missing(file) => Self::MissingBlob { file },
            Doubt::Corrupt { file, reason, .. } => Self::Corrupt {
                what: format!("Blob `{}`", file.short()),
                reason,
            },
            Doubt::Unreadable(source) => Self::Unreadable { source },
        }
    }
}
