//! What an open store does with its own files: listing them, staging new ones, setting bad ones aside.

use std::fs::DirEntry;
use std::path::Path;
use std::time::SystemTime;

use ulid::Ulid;

use super::Store;
use crate::error::StoreError;
use crate::files::{AtPath, FileIdentity, PathError, StagedFile, is_directory, move_if_same, parent};

impl Store {
    /// Lists a directory of the store; one that nobody needed yet is absent and has no entries, and what stands in its
    /// place has none.
    pub(crate) fn entries(&self, directory: &Path) -> Result<Vec<DirEntry>, PathError> {
        self.files().list_if_there(directory).at("list", directory)
    }

    /// Begins a file that is to become part of the store.
    pub(crate) fn stage(&self, size: Option<u64>) -> Result<StagedFile, StoreError> {
        self.check_writable()?;
        Ok(StagedFile::create(&self.shared.staging, size)?)
    }

    /// Stages a whole file.
    pub(crate) fn stage_bytes(&self, bytes: &[u8]) -> Result<StagedFile, StoreError> {
        let mut staged = self.stage(None)?;
        staged.write_all(bytes)?;
        Ok(staged)
    }

    /// Reads the clock of the file system from a file made for it, so that clocks of hosts need not agree.
    ///
    /// Where no file can be made, as in a read-only store, the clock of this host has to do.
    pub(crate) fn clock(&self) -> SystemTime {
        let read = || {
            let staged = self.stage(None).ok()?;
            self.files().metadata(staged.path()).ok()?.modified().ok()
        };
        read().unwrap_or_else(SystemTime::now)
    }

    /// Moves a file that was judged bad to `quarantine/`; returns whether it is gone from its name.
    ///
    /// Never fails: what cannot be moved, as in a read-only store, stays and is judged again by the next reader.
    pub(crate) fn set_aside(&self, kind: &str, path: &Path, judged: &FileIdentity) -> bool {
        if !self.writable() {
            return false;
        }
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy())
            .unwrap_or_default();
        let aside = self
            .layout()
            .quarantine(&format!("{kind}.{}.{name}", Ulid::generate()));
        if move_if_same(self.files(), path, &aside, judged) {
            return true;
        }
        let directory = parent(&aside);
        // Something else may have the name of the directory.
        !is_directory(self.files(), directory)
            && self.volume().ensure_directory(directory).is_ok()
            && move_if_same(self.files(), path, &aside, judged)
    }
}
