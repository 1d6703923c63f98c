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

/// Creates a directory of a store and those above it, shared with the people who may use the store; their names are
/// durable once a file in them is.
pub(crate) fn ensure_directory(files: &dyn FileSystem, path: &Path) -> Result<(), PathError> {
    if ensure(files, path, &|above| ensure_directory(files, above))? {
        files.share_directory(path, parent(path));
    }
    Ok(())
}

/// Creates a directory outside of stores and those above it; returns whether it is new.
pub(crate) fn ensure_outside(files: &dyn FileSystem, path: &Path) -> Result<bool, PathError> {
    ensure(files, path, &|above| ensure_outside(files, above).map(drop))
}

fn ensure(
    files: &dyn FileSystem,
    path: &Path,
    ensure_above: &dyn Fn(&Path) -> Result<(), PathError>,
) -> Result<bool, PathError> {
    let created = match files.create_directory(path) {
        Err(error) if error.kind() == ErrorKind::NotFound && path.parent().is_some() => {
            ensure_above(parent(path))?;
            files.create_directory(path)
        }
        created => created,
    };
    match created {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists && is_directory(files, path) => Ok(false),
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
