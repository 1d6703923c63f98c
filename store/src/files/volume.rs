//! Which names in a store are durable.

use std::collections::HashSet;
use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ulid::Ulid;

use super::file_system::{FileSystem, leads_to_none};
use super::path_error::{AtPath, PathError};
use crate::names::Layout;

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

    /// Creates a directory of the store and those above it, as [`ensure_directory`] does; what is none and has the name
    /// of one is set aside.
    pub(crate) fn ensure_directory(&self, path: &Path) -> Result<(), PathError> {
        match ensure_directory(self.files(), path) {
            Err(error) if leads_to_none(error.io()) => {
                self.clear_way(path);
                ensure_directory(self.files(), path)
            }
            ensured => ensured,
        }
    }

    /// Moves what stands in the way of a directory to `quarantine/`; what cannot be moved stays in the way.
    fn clear_way(&self, path: &Path) {
        let mut way = self.root.clone();
        for name in path.strip_prefix(&self.root).into_iter().flatten() {
            way.push(name);
            if is_directory(self.files(), &way) {
                continue;
            }
            if leads_elsewhere(&way) {
                return;
            }
            let id = Ulid::generate();
            let layout = Layout::new(self.root.clone());
            let (aside, ready) = if way == layout.directory("quarantine") {
                let aside = layout.staging(&format!("quarantine.{id}"));
                let ready = ensure_directory(self.files(), parent(&aside));
                (aside, ready)
            } else {
                let aside = layout.quarantine(&format!("folder.{id}.{}", name.to_string_lossy()));
                let ready = self.ensure_directory(parent(&aside));
                (aside, ready)
            };
            // A second name first and no rename: another writer may have made the directory meanwhile, which has no
            // second name and cannot be removed like a file.
            if ready.is_ok() && self.files().link(&way, &aside).is_ok() {
                let _ = self.files().remove_file(&way);
            }
            return;
        }
    }

    fn durable(&self) -> MutexGuard<'_, HashSet<PathBuf>> {
        // A panic elsewhere cannot leave the set half changed.
        self.durable.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What to say of something else under the name of a directory.
pub(crate) const NOT_A_DIRECTORY: &str = "it is not a directory: move it away, and it is made anew";

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
        // Also where something above is no directory, so that the error names it.
        Err(error) if leads_to_none(&error) && path.parent().is_some() => {
            ensure_above(parent(path))?;
            files.create_directory(path)
        }
        created => created,
    };
    match created {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists && is_directory(files, path) => Ok(false),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let obstacle = match leads_elsewhere(path) {
                true => UNMOUNTED,
                false => NOT_A_DIRECTORY,
            };
            Err(Error::new(ErrorKind::NotADirectory, obstacle)).at("create", path)
        }
        Err(error) => Err(error).at("create", path),
    }
}

/// What to say of a link to a directory that is not there.
const UNMOUNTED: &str = "it is a link to what is not there: mount the disk that it leads to, or remove the link if that is gone for good";

/// Tells whether a name is a link to what is not there, as of a part of the store on a disk that is not mounted.
///
/// It stays: a new directory in its place would hide what lies on that disk.
fn leads_elsewhere(path: &Path) -> bool {
    path.is_symlink() && std::fs::metadata(path).is_err_and(|error| error.kind() == ErrorKind::NotFound)
}

pub(crate) fn is_directory(files: &dyn FileSystem, path: &Path) -> bool {
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
