//! Which names in a store are durable.

use std::collections::HashSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::file_system::FileSystem;
use crate::path_error::{AtPath, PathError};

/// The file system of an open store, and the directories whose names this process made durable.
///
/// Another process may have made a directory and died before it synced the one above, so each directory on the way
/// to a file is synced once. This holds because no process removes a directory that blobs or records are put into.
#[derive(Debug)]
pub(crate) struct Volume {
    files: Arc<dyn FileSystem>,
    root: PathBuf,
    durable: Mutex<HashSet<PathBuf>>,
}

impl Volume {
    pub(crate) fn new(files: Arc<dyn FileSystem>, root: PathBuf) -> Self {
        Self {
            files,
            root,
            durable: Mutex::default(),
        }
    }

    pub(crate) fn files(&self) -> &dyn FileSystem {
        &*self.files
    }

    /// Makes the name of a file durable, and once per process those of the directories above it.
    pub(crate) fn sync_name(&self, path: &Path) -> Result<(), PathError> {
        let mut directory = parent(path);
        self.sync_directory(directory)?;
        let mut synced = Vec::new();
        while !self.durable().contains(directory) {
            let above = parent(directory);
            let outside = directory == self.root;
            match self.files.sync_directory(above) {
                // The store may lie in a directory that others may only pass through.
                Err(error) if outside && error.kind() == ErrorKind::PermissionDenied => {}
                result => result.at("sync", above)?,
            }
            synced.push(directory.to_path_buf());
            if outside || !above.starts_with(&self.root) {
                break;
            }
            directory = above;
        }
        // Only now, because a directory counts once all names above it are durable.
        self.durable().extend(synced);
        Ok(())
    }

    /// Makes the names in a directory durable.
    pub(crate) fn sync_directory(&self, path: &Path) -> Result<(), PathError> {
        self.files.sync_directory(path).at("sync", path)
    }

    fn durable(&self) -> MutexGuard<'_, HashSet<PathBuf>> {
        // A panic elsewhere cannot leave the set half changed.
        self.durable.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Creates a directory and those above it; their names are durable once a file in them is.
pub(crate) fn ensure_directory(files: &dyn FileSystem, path: &Path) -> Result<(), PathError> {
    match files.create_directory(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists && is_directory(files, path) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound && path.parent().is_some() => {
            ensure_directory(files, parent(path))?;
            match files.create_directory(path) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists && is_directory(files, path) => Ok(()),
                created => created.at("create", path),
            }
        }
        Err(error) => Err(error).at("create", path),
    }
}

fn is_directory(files: &dyn FileSystem, path: &Path) -> bool {
    files
        .metadata(path)
        .is_ok_and(|metadata| metadata.is_dir() || (metadata.is_symlink() && path.is_dir()))
}

pub(crate) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
