//! Blobs: bytes named by their hash.

use std::collections::HashSet;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::error::{Fate, StoreError};
use crate::file_system::{Reading, is_absent, is_lasting};
use crate::id::FileDigest;
use crate::identity::Identity;
use crate::length::Length;
use crate::path_error::PathError;
use crate::publish::{Placed, publish};
use crate::staging::StagedFile;
use crate::store::Store;

/// How closely a blob is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// Existence and size.
    Size,
    /// Also the bytes, once per process while the file stays the same.
    Once,
    /// Also the bytes, always.
    Again,
}

/// Why a blob cannot be relied on.
#[derive(Debug)]
pub(crate) enum Doubt {
    Missing(FileDigest),
    Corrupt {
        file: FileDigest,
        reason: String,
        fate: Fate,
    },
    Unreadable(PathError),
}

impl From<Doubt> for StoreError {
    fn from(doubt: Doubt) -> Self {
        match doubt {
            Doubt::Missing(file) => Self::MissingBlob(file),
            Doubt::Corrupt { file, reason, fate } => Self::CorruptBlob { file, reason, fate },
            Doubt::Unreadable(error) => Self::Path(error),
        }
    }
}

const CHUNK: usize = 1 << 20;

/// The largest blob that is read into memory as a whole; larger ones are read piece by piece from their path.
const WHOLE_LIMIT: u64 = 4 << 30;

/// The largest blob that is read whole as a list of rows or files, or as a value of JSON, from wherever it comes.
pub(crate) const LIST_LIMIT: u64 = 256 << 20;

/// The largest blob that holds the value a key was derived from: the settings of a stage.
pub(crate) const PREIMAGE_LIMIT: u64 = 16 << 20;

impl Store {
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
                if self.fetch_elsewhere(file) =>
            {
                self.note_lost(file, self.read_here(file, limit))
            }
            read => self.note_lost(file, read),
        }
    }

    /// Remembers a blob that is nowhere to be had, though somebody relied on it.
    fn note_lost<T>(&self, file: &FileDigest, read: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(StoreError::MissingBlob(_) | StoreError::CorruptBlob { .. }) = read {
            self.lost().insert(*file);
        }
        read
    }

    /// Returns the blobs that somebody relied on and that were nowhere to be had since the last call.
    ///
    /// What names them is found lacking from now on, so whoever has them computed again comes further.
    pub fn take_lost(&self) -> HashSet<FileDigest> {
        std::mem::take(&mut *self.lost())
    }

    fn read_here(&self, file: &FileDigest, limit: u64) -> Result<Vec<u8>, StoreError> {
        let path = self.layout().blob(file);
        let (handle, metadata) = match self.open_blob(&path) {
            Ok(opened) => opened,
            Err(error) if self.files().is_nowhere(&path, &error) => {
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
            .files()
            .read_hashing(&handle, metadata.len(), &mut hasher)
            .map_err(|error| self.unreadable(file, error))?;
        let identity = Identity::of(&metadata);
        let found = FileDigest::new(hasher.finalize().into());
        if found != *file {
            return Err(self.condemn(file, &identity, found).into());
        }
        self.verified().insert(*file, identity);
        Ok(bytes)
    }

    /// Returns the path of a blob, hashing it if this process has not yet done so for the file that is there.
    ///
    /// # Errors
    /// [`StoreError::MissingBlob`], or [`StoreError::CorruptBlob`] after setting the blob aside.
    pub fn path(&self, file: &FileDigest) -> Result<PathBuf, StoreError> {
        let looked = match self.inspect_here(file, None, Look::Once) {
            Err(Doubt::Missing(_) | Doubt::Corrupt { .. }) if self.fetch_elsewhere(file) => {
                self.inspect_here(file, None, Look::Once)
            }
            looked => looked,
        };
        self.note_lost(file, looked.map_err(StoreError::from))?;
        Ok(self.layout().blob(file))
    }

    /// Tells whether a file has the name of a blob in this store itself.
    pub(crate) fn is_here(&self, file: &FileDigest) -> bool {
        self.files().exists(&self.layout().blob(file))
    }

    /// Looks at a blob, here or else at the attached remotes, which have it until it is read; one that is damaged is
    /// set aside.
    ///
    /// Returns its size.
    pub(crate) fn inspect(&self, file: &FileDigest, size: Option<u64>, look: Look) -> Result<u64, Doubt> {
        match self.inspect_here(file, size, look) {
            Err(doubt @ (Doubt::Missing(_) | Doubt::Corrupt { .. })) => {
                self.size_elsewhere(file, size).ok_or(doubt)
            }
            looked => looked,
        }
    }

    /// Looks at the existence and the size of the value a key was derived from, as [`Store::inspect`] does.
    pub(crate) fn inspect_preimage(&self, file: &FileDigest) -> Result<u64, Doubt> {
        match self.inspect_length(file, Length::AtMost(PREIMAGE_LIMIT), Look::Size) {
            Err(doubt @ (Doubt::Missing(_) | Doubt::Corrupt { .. })) => {
                self.size_elsewhere(file, None).ok_or(doubt)
            }
            looked => looked,
        }
    }

    /// Looks at a blob of this store itself; one that is damaged is set aside.
    ///
    /// Returns its size.
    pub(crate) fn inspect_here(
        &self,
        file: &FileDigest,
        size: Option<u64>,
        look: Look,
    ) -> Result<u64, Doubt> {
        self.inspect_length(file, size.into(), look)
    }

    /// Looks at a blob of which more or less is known; one that is damaged is set aside.
    ///
    /// Returns its size.
    pub(crate) fn inspect_length(&self, file: &FileDigest, length: Length, look: Look) -> Result<u64, Doubt> {
        let path = self.layout().blob(file);
        let (handle, metadata) = match self.open_blob(&path) {
            Ok(opened) => opened,
            Err(error) if self.files().is_nowhere(&path, &error) => return Err(Doubt::Missing(*file)),
            Err(error) => return Err(self.unreadable(file, error)),
        };
        let identity = Identity::of(&metadata);
        if let Some(reason) = length.contradicts(identity.size) {
            // Good bytes stay: then what is wrong is the size that somebody recorded.
            let fate = match self.is_good_all_the_same(file, &handle, identity) {
                true => Fate::Untouched,
                false => self.throw_out(file, &identity),
            };
            let file = *file;
            return Err(Doubt::Corrupt { file, reason, fate });
        }
        if look == Look::Size || (look == Look::Once && self.verified().contains(file, &identity)) {
            return Ok(identity.size);
        }
        let mut reading = Reading {
            files: self.files(),
            file: &handle,
        };
        let found = hash(&mut reading).map_err(|error| self.unreadable(file, error))?;
        if found != *file {
            return Err(self.condemn(file, &identity, found));
        }
        self.verified().insert(*file, identity);
        Ok(identity.size)
    }

    /// Tells whether a blob of an unexpected size has the bytes of its name, as far as that can be known in bounded
    /// time.
    fn is_good_all_the_same(&self, file: &FileDigest, handle: &File, identity: Identity) -> bool {
        if self.verified().contains(file, &identity) {
            return true;
        }
        let mut reading = Reading {
            files: self.files(),
            file: handle,
        };
        let good = Length::is_worth_reading(identity.size)
            && matches!(hash(&mut reading), Ok(found) if found == *file);
        if good {
            self.verified().insert(*file, identity);
        }
        good
    }

    /// Gives a staged file its name as a blob, replacing a damaged one that holds the name.
    pub(crate) fn place_blob(&self, file: &FileDigest, staged: &StagedFile) -> Result<(), StoreError> {
        let path = self.layout().blob(file);
        for _ in 0..4 {
            if publish(staged, &path)? == Placed::New || self.keep_existing(file, staged.written())? {
                return Ok(());
            }
        }
        Err(StoreError::Contention(path.display().to_string()))
    }

    /// Tells whether a good blob is there, and makes sure that its name is durable before anybody relies on it.
    pub(crate) fn has_durable(&self, file: &FileDigest, size: u64) -> Result<bool, StoreError> {
        let path = self.layout().blob(file);
        if !self.is_there(&path) || !self.keep_existing(file, size)? {
            return Ok(false);
        }
        self.volume().sync_name(&path)?;
        Ok(true)
    }

    /// Checks a blob that was there before; returns whether it can stay.
    pub(crate) fn keep_existing(&self, file: &FileDigest, size: u64) -> Result<bool, StoreError> {
        match self.inspect_here(file, Some(size), Look::Once) {
            Ok(_) => Ok(self.hold(file)),
            Err(Doubt::Unreadable(error)) => Err(error.into()),
            Err(Doubt::Missing(_) | Doubt::Corrupt { .. }) => Ok(false),
        }
    }

    /// Opens a blob, if need be out of the trash.
    fn open_blob(&self, path: &Path) -> io::Result<(File, Metadata)> {
        match self.files().open_regular(path) {
            Err(error) if is_absent(&error) && self.revive(path) => self.files().open_regular(path),
            opened => opened,
        }
    }

    /// Judges a blob that could not be read: one that never will be is set aside, one out of reach stays.
    fn unreadable(&self, file: &FileDigest, error: io::Error) -> Doubt {
        let path = self.layout().blob(file);
        let judged = if is_lasting(&error) {
            self.files().metadata(&path).ok()
        } else {
            None
        };
        let Some(metadata) = judged else {
            return Doubt::Unreadable(PathError::new("read", &path, error));
        };
        Doubt::Corrupt {
            file: *file,
            reason: error.to_string(),
            fate: self.throw_out(file, &Identity::of(&metadata)),
        }
    }

    fn condemn(&self, file: &FileDigest, identity: &Identity, found: FileDigest) -> Doubt {
        Doubt::Corrupt {
            file: *file,
            reason: format!("its bytes hash to `{}`", found.short()),
            fate: self.throw_out(file, identity),
        }
    }

    /// Sets a blob aside that is no good, and tells whether that worked.
    fn throw_out(&self, file: &FileDigest, judged: &Identity) -> Fate {
        self.verified().remove(file);
        match self.set_aside("blob", &self.layout().blob(file), judged) {
            true => Fate::SetAside,
            false => Fate::Stays,
        }
    }
}

fn hash(handle: &mut impl Read) -> io::Result<FileDigest> {
    let mut hasher = blake3::Hasher::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = match handle.read(&mut chunk) {
            Ok(0) => return Ok(FileDigest::new(hasher.finalize().into())),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hasher.update(&chunk[..read]);
    }
}
