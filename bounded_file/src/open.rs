//! Opening regular files only.

use std::fs::{File, FileType, Metadata, OpenOptions};
use std::path::{Path, PathBuf};

use crate::error::BoundedFileError;

/// Opens a regular file for reading, through links, and tells what it is.
///
/// Never waits: a pipe or a device is refused by its name, and one that takes the name in that moment by its handle.
///
/// # Errors
/// [`BoundedFileError::Io`] or [`BoundedFileError::NotRegular`].
pub fn open_regular(path: &Path) -> Result<(File, Metadata), BoundedFileError> {
    // Opening a device alone may do something, such as rewinding a tape.
    check_regular(path)?;
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
        options.custom_flags(flags.bits().cast_signed());
    }
    let opened = options.open(path).and_then(|file| {
        let metadata = file.metadata()?;
        Ok((file, metadata))
    });
    let (file, metadata) = opened.map_err(|source| BoundedFileError::io(path, source))?;
    regular(path, &metadata)?;
    Ok((file, metadata))
}

/// Checks that a path leads to a regular file, without opening it.
///
/// For files that a library opens itself.
///
/// # Errors
/// Those of [`open_regular`].
pub fn check_regular(path: &Path) -> Result<Metadata, BoundedFileError> {
    let metadata = path.metadata();
    let metadata = metadata.map_err(|source| BoundedFileError::io(path, source))?;
    regular(path, &metadata)?;
    Ok(metadata)
}

/// Finds where a file is to be written that takes the place of what has the name: behind links, which stay, and only of
/// a regular file.
///
/// # Errors
/// [`BoundedFileError::NotRegular`] for a folder, a pipe or a device, [`BoundedFileError::Io`] if a link leads nowhere.
pub fn place_of(path: &Path) -> Result<PathBuf, BoundedFileError> {
    match check_regular(path) {
        Ok(_) => path
            .canonicalize()
            .map_err(|source| BoundedFileError::io(path, source)),
        Err(error) if error.is_absent() && path.symlink_metadata().is_err() => Ok(path.to_owned()),
        Err(error) => Err(error),
    }
}

/// Tells whether a path leads nowhere because the links on its way lead back to themselves.
#[cfg(unix)]
pub fn is_link_loop(error: &std::io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
}

/// Tells whether a path leads nowhere because the links on its way lead back to themselves; not known here.
#[cfg(not(unix))]
pub fn is_link_loop(_: &std::io::Error) -> bool {
    false
}

fn regular(path: &Path, metadata: &Metadata) -> Result<(), BoundedFileError> {
    match metadata.is_file() {
        true => Ok(()),
        false => Err(BoundedFileError::NotRegular {
            path: path.to_owned(),
            found: kind(metadata.file_type()),
        }),
    }
}

fn kind(found: FileType) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if found.is_fifo() {
            return "a pipe";
        }
        if found.is_socket() {
            return "a socket";
        }
        if found.is_char_device() || found.is_block_device() {
            return "a device";
        }
    }
    match found.is_dir() {
        true => "a folder",
        false => "something else",
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::time::{Duration, Instant};

    use rustix::fs::{CWD, FileType as NodeType, Mode};

    use super::*;
    use crate::read;

    #[test]
    fn pipes_devices_sockets_and_folders_are_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let (pipe, socket) = (folder.path().join("pipe"), folder.path().join("socket"));
        rustix::fs::mknodat(CWD, &pipe, NodeType::Fifo, Mode::RUSR, 0).unwrap();
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/dev/zero", &link).unwrap();
        let begun = Instant::now();
        for (path, found) in [
            (pipe.as_path(), "a pipe"),
            (socket.as_path(), "a socket"),
            (Path::new("/dev/zero"), "a device"),
            (link.as_path(), "a device"),
            (folder.path(), "a folder"),
        ] {
            let error = read(path, 1 << 20).unwrap_err();
            assert!(error.to_string().contains(found), "{error}");
            assert!(std::io::Error::from(error).to_string().contains(found));
        }
        assert!(begun.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn links_to_files_are_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        std::fs::write(&file, b"x").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert_eq!(read(&link, 1).unwrap(), b"x");
    }
}
