//! What was collected and not yet removed for good; whoever needs something of it puts it back.
//!
//! A file keeps its path below `trash/<collection>/`. Moving it there and back are single renames, so it is always in
//! exactly one place, whoever dies or races.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use ulid::Ulid;

use crate::files::{AtPath, PathError, is_absent, leads_to_none, parent};
use crate::store::Trash;

impl Trash<'_> {
    /// Lists the collections in the trash, oldest first.
    pub(crate) fn trash_batches(&self) -> Result<Vec<Ulid>, PathError> {
        let entries = self.store.entries(&self.store.layout().trash())?;
        let mut batches: Vec<Ulid> = entries
            .into_iter()
            .filter_map(|entry| Ulid::from_string(entry.file_name().to_str()?).ok())
            .collect();
        batches.sort_unstable();
        Ok(batches)
    }

    /// Finds a file of this store in the trash; whether it is there must be certain.
    pub(crate) fn in_trash(&self, path: &Path) -> Result<Option<PathBuf>, PathError> {
        for batch in self.trash_batches()?.into_iter().rev() {
            let Some(trashed) = self.store.layout().trashed(&batch, path) else {
                continue;
            };
            match self.store.files().metadata(&trashed) {
                Ok(_) => return Ok(Some(trashed)),
                Err(error) if is_absent(&error) => {}
                Err(error) => return Err(error).at("read", &trashed),
            }
        }
        Ok(None)
    }

    /// Puts a file back under its name if it lies in the trash; tells whether it is there now.
    pub(crate) fn revive(&self, path: &Path) -> bool {
        let take_back = || {
            // A trash that cannot be listed is as good as empty.
            let batches = self.trash_batches().unwrap_or_default();
            batches
                .into_iter()
                .rev()
                .filter_map(|batch| self.store.layout().trashed(&batch, path))
                .any(|trashed| self.take_back(&trashed, path).is_ok())
        };
        // The collector itself or another writer may have put it back between two looks.
        (self.store.writable() && take_back()) || self.store.files().exists(path)
    }

    /// Puts back everything that the trash holds of a directory.
    pub(crate) fn revive_directory(&self, directory: &Path) {
        for batch in self.trash_batches().unwrap_or_default() {
            let Some(trashed) = self.store.layout().trashed(&batch, directory) else {
                return;
            };
            for entry in self.store.files().list_if_there(&trashed).unwrap_or_default() {
                // One that cannot be put back counts as gone.
                let _ = self.take_back(&entry.path(), &directory.join(entry.file_name()));
            }
        }
    }

    /// Puts a file back that somebody relies on again, as new as if it was written now.
    fn take_back(&self, trashed: &Path, path: &Path) -> Result<(), PathError> {
        self.put_back(trashed, path)?;
        self.store.renew(path);
        Ok(())
    }

    /// Moves a file from the trash to its name, which must be free, and makes that durable.
    pub(crate) fn put_back(&self, trashed: &Path, path: &Path) -> Result<(), PathError> {
        let files = self.store.files();
        // What a link leads to may be somebody else's, and what is put behind one is lost to the store.
        if files.exists(trashed) {
            self.store.check_inside(parent(trashed))?;
            self.store.check_inside(parent(path))?;
        }
        let mut moved = files.rename_exclusive(trashed, path);
        if let Err(error) = &moved {
            match error.raw_os_error().map(Errno::from_raw_os_error) {
                Some(Errno::NOENT) if files.exists(trashed) => {
                    self.store.volume().ensure_directory(parent(path))?;
                    moved = files.rename_exclusive(trashed, path);
                }
                // Without this operation a second name first, so that the file is never without one.
                Some(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
                    moved = files.link(trashed, path);
                    if moved.is_ok() {
                        self.store.volume().sync_name(path)?;
                        moved = files.remove_file(trashed);
                    }
                }
                _ => {}
            }
        }
        match moved {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                Err(error).at("take from the trash", path)
            }
            _ => self.store.volume().sync_name(path),
        }
    }

    /// Moves a file to the trash.
    pub(crate) fn throw_away(&self, path: &Path, trashed: &Path) -> Result<(), PathError> {
        let files = self.store.files();
        let mut moved = files.rename(path, trashed);
        if matches!(&moved, Err(error) if leads_to_none(error)) {
            // The directory must be durable before anything is only there.
            let directory = parent(trashed);
            self.store.volume().ensure_directory(directory)?;
            self.store.volume().sync_name(directory)?;
            moved = files.rename(path, trashed);
        }
        moved.at("move to the trash", path)
    }
}
