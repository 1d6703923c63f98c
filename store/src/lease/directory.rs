//! The files of one lease.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::content::Content;
use super::protocol::{Epoch, Sight};
use crate::error::StoreError;
use crate::files::{AtPath, FileSystem, PathError, leads_to_none, parent};
use crate::names::LeaseKey;
use crate::store::Store;

/// A lease file holds less than this, whatever its owner is called.
const LIMIT: u64 = 16 * 1024;

/// The files of one lease, one per epoch.
#[derive(Debug, Clone)]
pub(super) struct LeaseDirectory {
    store: Store,
    path: PathBuf,
}

/// A file that was just made.
#[derive(Debug)]
pub(super) struct Made {
    /// Open for signs of life, which go to this file even after somebody removed its name.
    pub(super) file: File,
    pub(super) path: PathBuf,
}

impl LeaseDirectory {
    pub(super) fn new(store: &Store, key: &LeaseKey) -> Self {
        Self {
            store: store.clone(),
            path: store.layout().lease(key),
        }
    }

    pub(super) fn files(&self) -> &dyn FileSystem {
        self.store.files()
    }

    pub(super) fn file(&self, epoch: Epoch) -> PathBuf {
        self.path.join(format!("e{epoch}.json"))
    }

    /// Looks at the newest file; a file that vanishes under the look was released.
    pub(super) fn newest(&self) -> io::Result<Option<Sight<Vec<u8>>>> {
        let Some(epoch) = self.epochs()?.into_iter().max() else {
            return Ok(None);
        };
        Ok(self.content(epoch)?.map(|content| Sight { epoch, content }))
    }

    pub(super) fn epochs(&self) -> io::Result<Vec<Epoch>> {
        let entries = self.files().list_if_there(&self.path)?;
        Ok(entries
            .iter()
            .filter_map(|entry| epoch(entry.file_name().to_str()?))
            .collect())
    }

    /// Reads the file of an epoch, opening it anew so that a network file system asks its server.
    pub(super) fn content(&self, epoch: Epoch) -> io::Result<Option<Vec<u8>>> {
        let path = self.file(epoch);
        let read = || {
            let (file, metadata) = self.files().open_regular(&path)?;
            self.files().read_at_most(&file, metadata.len(), LIMIT)
        };
        match read() {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) if error.raw_os_error() == Some(Errno::STALE.raw_os_error()) => Ok(None),
            // Whatever stands there cannot be read by anybody; after a while it counts as abandoned.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(Some(Vec::new())),
            Err(error) => Err(error),
        }
    }

    /// Makes the file of an epoch, or tells that somebody else did.
    pub(super) fn make(&self, epoch: Epoch, content: &Content) -> Result<Option<Made>, StoreError> {
        let staged = self.store.stage_bytes(&content.to_bytes())?;
        let path = self.file(epoch);
        let make = || -> io::Result<Option<Made>> {
            let files = self.files();
            let file = staged.open_file()?;
            files.set_mode_if_known(file, 0o644)?;
            // So that the bytes are with the server of a network file system before the name is.
            files.sync(file)?;
            let mut linked = files.link(staged.path(), &path);
            for _ in 0..4 {
                match &linked {
                    // The directory is not there yet, or whoever released the lease removed it just now.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => self.make_directory()?,
                    Err(error) if leads_to_none(error) => {
                        let made = self.store.volume().ensure_directory(&self.path);
                        made.map_err(PathError::into_io)?;
                    }
                    _ => break,
                }
                linked = files.link(staged.path(), &path);
            }
            if let Err(error) = linked {
                // The reply of a network file system may be lost: the second name tells.
                let made = file.metadata().is_ok_and(|metadata| metadata.nlink() == 2);
                if !made && error.kind() == io::ErrorKind::AlreadyExists {
                    return Ok(None);
                } else if !made {
                    return Err(error);
                }
            }
            let file = file.try_clone()?;
            let path = path.clone();
            Ok(Some(Made { file, path }))
        };
        Ok(make().at("link", &path)?)
    }

    /// Removes the files of earlier epochs, whose makers are gone or have lost the lease.
    pub(super) fn remove_before(&self, epoch: Epoch) {
        if self.store.check_inside(&self.path).is_err() {
            return;
        }
        for old in self.epochs().unwrap_or_default() {
            if old < epoch {
                // Whoever takes the next epoch tries again.
                let _ = self.files().remove_file(&self.file(old));
            }
        }
    }

    /// Removes a file if it is still the one that was made, and the directory if nothing else is in it.
    pub(super) fn give_back(&self, made: &Made) {
        if is_named(self.files(), &made.file, &made.path) {
            // A file that stays is taken over like that of a dead process.
            let _ = self.files().remove_file(&made.path);
            let _ = self.files().remove_directory(&self.path);
        }
    }

    fn make_directory(&self) -> io::Result<()> {
        for path in [self.path.parent().unwrap_or(&self.path), &self.path] {
            match self.files().create_directory(path) {
                Ok(()) => self.files().share_directory(path, parent(path)),
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                Err(_) => {}
            }
        }
        Ok(())
    }
}

/// Tells whether an open file still stands under a name.
pub(super) fn is_named(files: &dyn FileSystem, file: &File, path: &Path) -> bool {
    let identity = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
    let (Ok(own), Ok(there)) = (file.metadata(), files.metadata(path)) else {
        return false;
    };
    own.nlink() > 0 && identity(own) == identity(there)
}

/// Reads an epoch off a file name; numbers of more than nine digits are none of ours.
fn epoch(name: &str) -> Option<Epoch> {
    let digits = name.strip_prefix('e')?.strip_suffix(".json")?;
    let epoch: Epoch = digits.parse().ok().filter(|_| digits.len() <= 9)?;
    (epoch.to_string() == digits).then_some(epoch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_the_format_are_epochs() {
        assert_eq!(epoch("e0.json"), Some(0));
        assert_eq!(epoch("e123456789.json"), Some(123_456_789));
        for name in [
            "e.json",
            "e01.json",
            "e-1.json",
            "e+1.json",
            "e1234567890.json",
            "f1.json",
            "e1",
        ] {
            assert_eq!(epoch(name), None, "{name}");
        }
    }
}
