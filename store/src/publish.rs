//! The one way a file becomes part of the store.
//!
//! A file is complete and on disk before it has a name that anybody reads, and the name is taken with an operation
//! that fails if it is taken already. `docs/store-format.md` lists what a crash leaves behind after each step.

use std::collections::HashSet;
use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{CWD, RenameFlags};
use rustix::io::Errno;

use crate::path_error::{AtPath, PathError};
use crate::staging::StagedFile;

/// What became of a file at its destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placed {
    /// It is there now.
    New,
    /// Another file was there first and was left alone.
    Existed,
}

/// Makes one file durable and gives it its name.
pub(crate) fn publish(staged: &StagedFile, destination: &Path) -> Result<Placed, PathError> {
    staged.seal()?;
    staged.file().sync_all().at("sync", staged.path())?;
    let placed = place(staged, destination)?;
    // Also when it existed: whoever placed it may not have come to this line yet.
    sync_name(staged.known(), destination)?;
    Ok(placed)
}

/// Directories whose own names were made durable by this process.
///
/// Another process may have made a directory and not yet synced the one above it, so each is synced once.
#[derive(Debug, Default)]
pub(crate) struct KnownDirectories(Mutex<HashSet<PathBuf>>);

/// Makes the name of a file durable, and once per process also the name of its directory.
pub(crate) fn sync_name(known: &KnownDirectories, path: &Path) -> Result<(), PathError> {
    let directory = parent(path);
    sync_directory(directory)?;
    let is_known = || {
        known
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(directory)
    };
    if !is_known() {
        sync_directory(parent(directory))?;
        known
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(directory.to_path_buf());
    }
    Ok(())
}

/// Makes many files durable with two barriers of the whole file system instead of two syncs per file.
pub(crate) fn publish_all(files: &[(StagedFile, PathBuf)]) -> Result<Vec<Placed>, PathError> {
    let Some((first, _)) = files.first() else {
        return Ok(Vec::new());
    };
    for (staged, _) in files {
        staged.seal()?;
    }
    rustix::fs::syncfs(first.file()).at("sync the file system of", first.path())?;
    let placed = files
        .iter()
        .map(|(staged, destination)| place(staged, destination))
        .collect::<Result<Vec<_>, _>>()?;
    rustix::fs::syncfs(first.file()).at("sync the file system of", first.path())?;
    Ok(placed)
}

/// Replaces a file that has one writer, such as the record of a run: readers see the old or the new bytes.
pub(crate) fn replace(staged: &StagedFile, destination: &Path) -> Result<(), PathError> {
    staged.seal()?;
    staged.file().sync_all().at("sync", staged.path())?;
    ensure_directory(parent(destination))?;
    std::fs::rename(staged.path(), destination).at("rename to", destination)?;
    sync_directory(parent(destination))
}

/// Creates a directory and those above it, each durable in its parent.
pub(crate) fn ensure_directory(path: &Path) -> Result<(), PathError> {
    match DirBuilder::new().mode(0o777).create(path) {
        Ok(()) => sync_directory(parent(path)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound && path.parent().is_some() => {
            ensure_directory(parent(path))?;
            ensure_directory(path)
        }
        Err(error) => Err(error).at("create", path),
    }
}

/// Makes the names inside a directory durable, where the file system knows how.
pub(crate) fn sync_directory(path: &Path) -> Result<(), PathError> {
    let directory = File::open(path).at("open", path)?;
    match rustix::fs::fsync(&directory) {
        Ok(()) | Err(Errno::INVAL | Errno::NOTSUP) => Ok(()),
        Err(error) => Err(error).at("sync", path),
    }
}

fn place(staged: &StagedFile, destination: &Path) -> Result<Placed, PathError> {
    let mut linked = std::fs::hard_link(staged.path(), destination);
    if matches!(&linked, Err(error) if error.kind() == io::ErrorKind::NotFound) {
        ensure_directory(parent(destination))?;
        linked = std::fs::hard_link(staged.path(), destination);
    }
    let Err(error) = linked else {
        return Ok(Placed::New);
    };
    // A network file system may repeat a request whose reply was lost: the second link count tells.
    if staged
        .file()
        .metadata()
        .is_ok_and(|metadata| metadata.nlink() == 2)
    {
        return Ok(Placed::New);
    }
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::EXIST) => Ok(Placed::Existed),
        Some(Errno::PERM | Errno::NOTSUP | Errno::NOSYS | Errno::MLINK) => {
            place_by_rename(staged, destination)
        }
        _ => Err(error).at("link", destination),
    }
}

fn place_by_rename(staged: &StagedFile, destination: &Path) -> Result<Placed, PathError> {
    match rustix::fs::renameat_with(CWD, staged.path(), CWD, destination, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(Placed::New),
        Err(Errno::EXIST) => Ok(Placed::Existed),
        // Without either operation two writers may both pass this check; the bytes under one name still agree for
        // blobs, and for records the later one of two valid results stays.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
            if destination.symlink_metadata().is_ok() {
                return Ok(Placed::Existed);
            }
            std::fs::rename(staged.path(), destination).at("rename to", destination)?;
            Ok(Placed::New)
        }
        Err(error) => Err(error).at("rename to", destination),
    }
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::staging::Staging;

    fn staged(staging: &Staging, bytes: &[u8]) -> StagedFile {
        let mut file = StagedFile::create(staging, Some(1 << 20)).unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    #[test]
    fn the_first_file_keeps_the_name() {
        let root = tempfile::tempdir().unwrap();
        let staging = Staging::new(root.path().join("tmp/one"));
        let name = root.path().join("a/b/c");
        assert_eq!(publish(&staged(&staging, b"first"), &name).unwrap(), Placed::New);
        assert_eq!(
            publish(&staged(&staging, b"second"), &name).unwrap(),
            Placed::Existed
        );
        assert_eq!(
            place_by_rename(&staged(&staging, b"third"), &name).unwrap(),
            Placed::Existed
        );
        assert_eq!(std::fs::read(&name).unwrap(), b"first");
        let metadata = name.metadata().unwrap();
        assert_eq!((metadata.mode() & 0o777, metadata.len()), (0o444, 5));
        assert!(
            metadata.blocks() * 512 < 1 << 20,
            "reserved room was not given back"
        );

        let other = root.path().join("a/b/d");
        assert_eq!(
            place_by_rename(&staged(&staging, b"third"), &other).unwrap(),
            Placed::New
        );
        assert_eq!(std::fs::read(&other).unwrap(), b"third");
        drop(staging);
        assert!(
            !root.path().join("tmp/one").exists(),
            "staging directory was left behind"
        );
    }

    #[test]
    fn a_batch_reports_each_file() {
        let root = tempfile::tempdir().unwrap();
        let staging = Staging::new(root.path().join("tmp"));
        let files = vec![
            (staged(&staging, b"x"), root.path().join("d/x")),
            (staged(&staging, b"y"), root.path().join("e/y")),
            (staged(&staging, b"x"), root.path().join("d/x")),
        ];
        assert_eq!(
            publish_all(&files).unwrap(),
            [Placed::New, Placed::New, Placed::Existed]
        );
        assert_eq!(std::fs::read(root.path().join("e/y")).unwrap(), b"y");
    }
}
