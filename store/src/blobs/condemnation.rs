//! Setting blobs aside that are no good, so that their names are free for good ones.

use std::io;

use super::look::Doubt;
use crate::error::Fate;
use crate::files::{FileIdentity, PathError, is_lasting};
use crate::names::FileDigest;
use crate::store::Blobs;

impl Blobs<'_> {
    /// Judges a blob that could not be read: one that never will be is set aside, one out of reach stays.
    pub(super) fn unreadable(&self, file: &FileDigest, error: io::Error) -> Doubt {
        let path = self.store.layout().blob(file);
        let judged = if is_lasting(&error) {
            self.store.files().metadata(&path).ok()
        } else {
            None
        };
        let Some(metadata) = judged else {
            return Doubt::Unreadable(PathError::new("read", &path, error));
        };
        Doubt::Corrupt {
            file: *file,
            reason: error.to_string(),
            fate: self.throw_out(file, &FileIdentity::of(&metadata)),
        }
    }

    /// Condemns a blob whose bytes have another hash than its name.
    pub(super) fn condemn(&self, file: &FileDigest, identity: &FileIdentity, found: FileDigest) -> Doubt {
        Doubt::Corrupt {
            file: *file,
            reason: format!("its bytes hash to `{}`", found.short()),
            fate: self.throw_out(file, identity),
        }
    }

    /// Sets a blob aside that is no good, and tells whether that worked.
    pub(super) fn throw_out(&self, file: &FileDigest, judged: &FileIdentity) -> Fate {
        self.store.verified().remove(file);
        match self
            .store
            .set_aside("blob", &self.store.layout().blob(file), judged)
        {
            true => Fate::SetAside,
            false => Fate::Stays,
        }
    }
}
