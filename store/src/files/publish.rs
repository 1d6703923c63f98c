//! The one way a file becomes part of the store.
//!
//! A file is complete and on disk before it has a name that anybody reads, and the name is taken with an operation
//! that fails if it is taken already. `docs/store-format.md` lists what a crash leaves behind after each step.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::file_system::leads_to_none;
use super::path_error::{AtPath, PathError};
use super::staging::StagedFile;
use super::volume::parent;

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
    let placed = place(staged, destination)?;
    // Also when it existed: whoever placed it may not have come to this line yet.
    staged.volume().sync_name(destination)?;
    Ok(placed)
}

/// Makes many closed files durable with two barriers of the whole file system instead of two syncs per file.
pub(crate) fn publish_all(files: &[(StagedFile, PathBuf)]) -> Result<Vec<Placed>, PathError> {
    let Some((first, _)) = files.first() else {
        return Ok(Vec::new());
    };
    let barrier = || {
        let directory = parent(first.path());
        first
            .files()
            .sync_everything(directory)
            .at("sync the file system of", directory)
    };
    barrier()?;
    let placed = files
        .iter()
        .map(|(staged, destination)| place(staged, destination))
        .collect::<Result<Vec<_>, _>>()?;
    barrier()?;
    Ok(placed)
}

/// Replaces a file that has one writer, such as the record of a run: readers see the old or the new bytes.
pub(crate) fn replace(staged: &StagedFile, destination: &Path) -> Result<(), PathError> {
    staged.seal()?;
    staged.volume().ensure_directory(parent(destination))?;
    staged
        .files()
        .rename(staged.path(), destination)
        .at("rename to", destination)?;
    staged.volume().sync_name(destination)
}

fn place(staged: &StagedFile, destination: &Path) -> Result<Placed, PathError> {
    let files = staged.files();
    let mut linked = files.link(staged.path(), destination);
    if matches!(&linked, Err(error) if leads_to_none(error)) {
        staged.volume().ensure_directory(parent(destination))?;
        linked = files.link(staged.path(), destination);
    }
    let Err(error) = linked else {
        return Ok(Placed::New);
    };
    // A network file system may repeat a request whose reply was lost: the second link count tells.
    if files
        .metadata(staged.path())
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
    let files = staged.files();
    let Err(error) = files.rename_exclusive(staged.path(), destination) else {
        return Ok(Placed::New);
    };
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::EXIST) => Ok(Placed::Existed),
        // Without either operation two writers may both pass this check; the bytes under one name still agree for
        // blobs, and for records the later one of two valid results stays.
        Some(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
            if files.exists(destination) {
                return Ok(Placed::Existed);
            }
            files
                .rename(staged.path(), destination)
                .at("rename to", destination)?;
            Ok(Placed::New)
        }
        _ => Err(error).at("rename to", destination),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;
    use std::sync::Arc;

    use super::*;
    use crate::files::OsFileSystem;
    use crate::files::staging::Staging;
    use crate::files::volume::Volume;

    fn staging(root: &Path, directory: &str) -> Staging {
        let volume = Volume::new(Arc::new(OsFileSystem), root.to_path_buf());
        Staging::new(root.join(directory), Arc::new(volume))
    }

    fn staged(staging: &Staging, bytes: &[u8]) -> StagedFile {
        let mut file = StagedFile::create(staging, Some(1 << 20)).unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    #[test]
    fn the_first_file_keeps_the_name() {
        let root = tempfile::tempdir().unwrap();
        let staging = staging(root.path(), "tmp/one");
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
        let staging = staging(root.path(), "tmp");
        let mut files = vec![
            (staged(&staging, b"x"), root.path().join("d/x")),
            (staged(&staging, b"y"), root.path().join("e/y")),
            (staged(&staging, b"x"), root.path().join("d/x")),
        ];
        for (file, _) in &mut files {
            file.close().unwrap();
        }
        assert_eq!(
            publish_all(&files).unwrap(),
            [Placed::New, Placed::New, Placed::Existed]
        );
        assert_eq!(std::fs::read(root.path().join("e/y")).unwrap(), b"y");
    }
}
