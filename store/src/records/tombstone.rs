//! Records that are disowned: whoever meets one of them computes again.

use serde::{Deserialize, Serialize};

use super::action_record::{self, ActionRecord};
use super::sealed;
use crate::error::StoreError;
use crate::files::{FileIdentity, PathError, host_name, move_if_same, publish_all};
use crate::names::{Digest, FamilyKey, FileDigest, Object, StageKey, domain};
use crate::store::Records;
use crate::timestamp::Timestamp;

pub(crate) const VERSION: u32 = 1;

/// Why a record is not to be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    /// Version of the tombstone, 1.
    pub v: u32,
    /// The stage key or shard name of the record.
    pub subject: Digest,
    /// The hash of the bytes of the record.
    pub record: FileDigest,
    /// Why, in the words of whoever disowned it.
    pub why: String,
    /// The host it was done on.
    pub host: String,
    /// When.
    pub created: Timestamp,
}

impl Records<'_> {
    /// Disowns the result of a stage: the record is moved to `divergent/`, and no copy of it is used or pulled again.
    ///
    /// Shards whose rows stand in the result are disowned with it, or the same rows would make the next result.
    /// Returns the number of records disowned, 0 if there is no result.
    ///
    /// # Errors
    /// [`StoreError::Path`] if the store cannot be written.
    pub fn forget(&self, key: &StageKey, why: &str) -> Result<usize, StoreError> {
        let object = Object::Action(*key);
        let Some(bytes) = self.store.objects().object_bytes(&object)? else {
            return Ok(0);
        };
        let mut count = 1;
        if let Ok(Ok(record)) =
            sealed::parse::<ActionRecord>(&bytes, domain::ACTION_RECORD, action_record::VERSION)
        {
            for (family, name) in self.store.shards_of(&[&record])? {
                let shard = Object::Shard(family, name);
                if let Some(bytes) = self.store.objects().object_bytes(&shard)? {
                    self.disown(&shard, &name, &bytes, why)?;
                    count += 1;
                }
            }
        }
        self.disown(&object, key.digest(), &bytes, why)?;
        Ok(count)
    }

    /// Disowns the result of a stage and nothing that its rows come from, as one whose record is wrong.
    ///
    /// Returns whether there was a result.
    ///
    /// # Errors
    /// [`StoreError::Path`] if the store cannot be written.
    pub fn disown_result(&self, key: &StageKey, why: &str) -> Result<bool, StoreError> {
        let object = Object::Action(*key);
        match self.store.objects().object_bytes(&object)? {
            Some(bytes) => self.disown(&object, key.digest(), &bytes, why).map(|()| true),
            None => Ok(false),
        }
    }

    pub(crate) fn disown(
        &self,
        object: &Object,
        subject: &Digest,
        bytes: &[u8],
        why: &str,
    ) -> Result<(), StoreError> {
        let record = FileDigest::of(bytes);
        let tombstone = Tombstone {
            v: VERSION,
            subject: *subject,
            record,
            why: why.to_owned(),
            host: host_name(),
            created: Timestamp::now(),
        };
        // First the tombstone: a crash in between leaves a record that nobody uses.
        let sealed = sealed::seal(domain::TOMBSTONE, &tombstone)?;
        let named = Object::Tombstone(*subject, record);
        self.store.objects().create_object(&named, &sealed)?;
        self.store.write_back(named);
        self.remove_disowned(object, subject, &record);
        Ok(())
    }

    /// Moves a disowned record out of the way of the next one, keeping it as history.
    pub(crate) fn remove_disowned(&self, object: &Object, subject: &Digest, record: &FileDigest) {
        let path = self.store.objects().object_path(object);
        let judged = self
            .store
            .files()
            .metadata(&path)
            .map(|metadata| FileIdentity::of(&metadata));
        let same = matches!(self.store.objects().object_bytes(object), Ok(Some(bytes)) if FileDigest::of(&bytes) == *record);
        if let Ok(judged) = judged
            && same
            && self.store.writable()
        {
            let aside = self.store.layout().divergent(&StageKey::new(*subject), record);
            move_if_same(self.store.files(), &path, &aside, &judged);
        }
    }

    /// Tells whether the record of a key is disowned, and moves it out of the way if it is.
    pub(crate) fn is_disowned_action(&self, key: &StageKey) -> bool {
        self.yields(&Object::Action(*key), key.digest())
    }

    /// Tells whether a shard record is disowned, and moves it out of the way if it is.
    pub(crate) fn is_disowned_shard(&self, family: &FamilyKey, name: &Digest) -> bool {
        self.yields(&Object::Shard(*family, *name), name)
    }

    fn yields(&self, object: &Object, subject: &Digest) -> bool {
        if !self.has_tombstones(subject) {
            return false;
        }
        let Ok(Some(bytes)) = self.store.objects().object_bytes(object) else {
            return false;
        };
        let disowned = matches!(self.disowned(subject, &bytes), Ok(Some(_)));
        if disowned {
            self.remove_disowned(object, subject, &FileDigest::of(&bytes));
        }
        disowned
    }

    /// Returns why an earlier result of a key was disowned, if one was.
    pub(crate) fn disowned_before(&self, key: &StageKey) -> Option<String> {
        let folder = format!("invalid/{key}");
        let names = self.store.objects().object_names(&folder).ok()?.files;
        let tombstones = names.iter().filter_map(|name| {
            let object: Object = format!("{folder}/{name}").parse().ok()?;
            parse(&self.store.objects().object_bytes(&object).ok()??).ok()
        });
        let newest = tombstones.max_by_key(|tombstone| tombstone.created)?;
        Some(newest.why)
    }

    fn has_tombstones(&self, subject: &Digest) -> bool {
        self.store
            .files()
            .exists(&self.store.layout().tombstones(subject))
    }

    /// Returns why a record with these bytes was disowned, `None` if it was not.
    pub(crate) fn disowned(&self, subject: &Digest, bytes: &[u8]) -> Result<Option<String>, PathError> {
        // Almost no record is disowned, so its bytes are hashed only if the subject has tombstones at all.
        if !self.has_tombstones(subject) {
            return Ok(None);
        }
        let object = Object::Tombstone(*subject, FileDigest::of(bytes));
        let Some(bytes) = self.store.objects().object_bytes(&object)? else {
            return Ok(None);
        };
        // A tombstone that cannot be read still says not to use the record.
        let why = parse(&bytes).map_or_else(|reason| reason, |tombstone| tombstone.why);
        Ok(Some(why))
    }

    /// Takes over checked tombstones from elsewhere, all of them durable together.
    pub(crate) fn adopt_tombstones(&self, tombstones: &[(Object, Vec<u8>)]) -> Result<(), StoreError> {
        let mut staged = Vec::with_capacity(tombstones.len());
        for (object, bytes) in tombstones {
            let mut file = self.store.stage_bytes(bytes)?;
            file.close()?;
            staged.push((file, self.store.objects().object_path(object)));
        }
        publish_all(&staged)?;
        for (object, _) in tombstones {
            if let Object::Tombstone(subject, record) = object {
                self.remove_disowned(&Object::Action(StageKey::new(*subject)), subject, record);
            }
        }
        Ok(())
    }

    /// Lists the tombstones; odd names are left out.
    pub(crate) fn tombstones(&self) -> Result<Vec<Object>, PathError> {
        let mut tombstones = Vec::new();
        for subject in self.store.objects().object_names("invalid")?.folders {
            let folder = format!("invalid/{subject}");
            let names = self.store.objects().object_names(&folder)?.files.into_iter();
            tombstones.extend(names.filter_map(|name| format!("{folder}/{name}").parse::<Object>().ok()));
        }
        Ok(tombstones)
    }
}

/// Checks that bytes are the tombstone of a name.
pub(crate) fn check(object: &Object, bytes: &[u8]) -> Result<(), String> {
    let Object::Tombstone(subject, record) = object else {
        return Err("it is no tombstone".to_owned());
    };
    let tombstone = parse(bytes)?;
    match (tombstone.subject, tombstone.record) == (*subject, *record) {
        true => Ok(()),
        false => Err("it disowns another record".to_owned()),
    }
}

fn parse(bytes: &[u8]) -> Result<Tombstone, String> {
    match sealed::parse::<Tombstone>(bytes, domain::TOMBSTONE, VERSION)? {
        Ok(tombstone) => Ok(tombstone),
        Err(version) => Err(format!("it has version {version}")),
    }
}
