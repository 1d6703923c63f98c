//! Looking at blobs: whether they are there, and whether their bytes are those of their names.

use std::fs::File;
use std::io::{self, Read};

use super::length::Length;
use super::look::{Doubt, Look};
use crate::error::Fate;
use crate::files::{FileIdentity, Reading};
use crate::names::FileDigest;
use crate::size_limits::PREIMAGE_LIMIT;
use crate::store::Blobs;

const CHUNK: usize = 1 << 20;

impl Blobs<'_> {
    /// Tells whether a file has the name of a blob in this store itself.
    pub(crate) fn is_here(&self, file: &FileDigest) -> bool {
        self.store.files().exists(&self.store.layout().blob(file))
    }

    /// Looks at a blob, here or else at the attached remotes, which have it until it is read; one that is damaged is
    /// set aside.
    ///
    /// Returns its size.
    pub(crate) fn inspect(&self, file: &FileDigest, size: Option<u64>, look: Look) -> Result<u64, Doubt> {
        match self.inspect_length(file, size.into(), look) {
            Err(doubt @ (Doubt::Missing(_) | Doubt::Corrupt { .. })) => {
                self.store.size_elsewhere(file, size).ok_or(doubt)
            }
            looked => looked,
        }
    }

    /// Looks at the existence and the size of the value a key was derived from, as [`Blobs::inspect`](crate::Blobs::inspect) does.
    pub(crate) fn inspect_preimage(&self, file: &FileDigest) -> Result<u64, Doubt> {
        match self.inspect_length(file, Length::AtMost(PREIMAGE_LIMIT), Look::Size) {
            Err(doubt @ (Doubt::Missing(_) | Doubt::Corrupt { .. })) => {
                self.store.size_elsewhere(file, None).ok_or(doubt)
            }
            looked => looked,
        }
    }

    /// Looks at a blob of this store itself, of which more or less is known; one that is damaged is set aside.
    ///
    /// Returns its size.
    pub(crate) fn inspect_length(&self, file: &FileDigest, length: Length, look: Look) -> Result<u64, Doubt> {
        let path = self.store.layout().blob(file);
        let (handle, metadata) = match self.open_blob(&path) {
            Ok(opened) => opened,
            Err(error) if self.store.files().is_nowhere(&path, &error) => return Err(Doubt::Missing(*file)),
            Err(error) => return Err(self.unreadable(file, error)),
        };
        let identity = FileIdentity::of(&metadata);
        if let Some(reason) = length.contradicts(identity.size) {
            // Good bytes stay: then what is wrong is the size that somebody recorded.
            let fate = match self.is_good_all_the_same(file, &handle, identity) {
                true => Fate::Untouched,
                false => self.throw_out(file, &identity),
            };
            let file = *file;
            return Err(Doubt::Corrupt { file, reason, fate });
        }
        if look == Look::Size || (look == Look::Once && self.store.verified().contains(file, &identity)) {
            return Ok(identity.size);
        }
        let mut reading = Reading {
            files: self.store.files(),
            file: &handle,
        };
        let found = hash(&mut reading).map_err(|error| self.unreadable(file, error))?;
        if found != *file {
            return Err(self.condemn(file, &identity, found));
        }
        self.store.verified().insert(*file, identity);
        Ok(identity.size)
    }

    /// Tells whether a blob of an unexpected size has the bytes of its name, as far as that can be known in bounded
    /// time.
    fn is_good_all_the_same(&self, file: &FileDigest, handle: &File, identity: FileIdentity) -> bool {
        if self.store.verified().contains(file, &identity) {
            return true;
        }
        let mut reading = Reading {
            files: self.store.files(),
            file: handle,
        };
        let good = Length::is_worth_reading(identity.size)
            && matches!(hash(&mut reading), Ok(found) if found == *file);
        if good {
            self.store.verified().insert(*file, identity);
        }
        good
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
