//! How writers and a collector keep out of each other's way.
//!
//! A collector takes only what nothing leads to and what was not written for a while, and it looks at the time of a
//! file once more after it moved it. A writer therefore renews the time of what it relies on before it writes the
//! record that names it, and looks after the record is there whether all of it still is: what was moved in between is
//! put back from the trash, where it stays for a day.

use std::path::Path;
use std::time::SystemTime;

use crate::blobs::Doubt;
use crate::files::FileIdentity;
use crate::names::FileDigest;
use crate::store::Store;

impl Store {
    /// Tells whether a file is there, if need be by taking it out of the trash.
    pub(crate) fn is_there(&self, path: &Path) -> bool {
        self.files().exists(path) || self.trash().revive(path)
    }

    /// Renews the time of a blob that is relied on again and tells whether the blob is still there.
    pub(crate) fn hold(&self, file: &FileDigest) -> bool {
        let path = self.layout().blob(file);
        if let Some((before, after)) = self.renew(&path)
            && self.verified().contains(file, &before)
        {
            self.verified().insert(*file, after);
        }
        self.is_there(&path)
    }

    /// Renews the time of a file; only its owner may, so failing is no error.
    ///
    /// Returns what it was before and after, if it changed.
    pub(crate) fn renew(&self, path: &Path) -> Option<(FileIdentity, FileIdentity)> {
        let (handle, before) = self.files().open_regular(path).ok()?;
        let now = SystemTime::now();
        let recent = before.modified().is_ok_and(|modified| {
            now.duration_since(modified)
                .is_ok_and(|age| age < self.renew_after())
        });
        if recent || self.files().set_modified(&handle, now).is_err() {
            return None;
        }
        Some((
            FileIdentity::of(&before),
            FileIdentity::of(&handle.metadata().ok()?),
        ))
    }

    /// Renews the times of blobs; the first that is absent here and in remotes is a doubt.
    pub(crate) fn hold_all<'f>(&self, files: impl IntoIterator<Item = &'f FileDigest>) -> Result<(), Doubt> {
        files
            .into_iter()
            .find(|file| !self.hold(file) && !self.is_elsewhere(file))
            .map_or(Ok(()), |file| Err(Doubt::Missing(*file)))
    }

    /// Looks whether blobs are still there now that a record names them; the first that is not, here or in a remote, is a
    /// doubt.
    pub(crate) fn still_there<'f>(
        &self,
        files: impl IntoIterator<Item = &'f FileDigest>,
    ) -> Result<(), Doubt> {
        files
            .into_iter()
            .find(|file| !self.is_there(&self.layout().blob(file)) && !self.is_elsewhere(file))
            .map_or(Ok(()), |file| Err(Doubt::Missing(*file)))
    }
}
