//! Reading files that may be anything.
//!
//! Whatever names a file here is written by somebody else: a user, a model's author, another host. The file may be a
//! pipe that nobody writes to, a device without an end, or a hole of a terabyte. Everything that the project reads whole
//! comes through this door: regular files only, up to a bound that the reader names. Symbolic links are followed, since
//! folders of models are made of them; the files of a store are opened by the store itself, which follows none.
//!
//! ```
//! use mitune_bounded_file::{BoundedFileError, read, read_text};
//! # let folder = tempfile::tempdir()?;
//! let path = folder.path().join("prompts.txt");
//! std::fs::write(&path, "a red circle\n")?;
//! assert_eq!(read_text(&path, 1 << 20)?, "a red circle\n");
//! assert!(matches!(read(&path, 5), Err(BoundedFileError::TooLarge { size: 13, limit: 5, .. })));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, reason = "a test stops at the first surprise")
)]

mod error;
mod open;

use std::fs::{File, Metadata};
use std::io::Read;
use std::path::Path;

pub use self::error::BoundedFileError;
pub use self::open::{check_regular, is_link_loop, open_regular, place_of};

/// Reads a whole file of at most `limit` bytes.
///
/// # Errors
/// [`BoundedFileError`]: it cannot be read, is no regular file, or has more bytes, which is found before reading them.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, BoundedFileError> {
    let (file, metadata) = open_regular(path)?;
    read_open(&file, &metadata, path, limit)
}

/// Reads a whole file of at most `limit` bytes of UTF-8 text.
///
/// # Errors
/// Those of [`read`], or [`BoundedFileError::NotText`].
pub fn read_text(path: &Path, limit: u64) -> Result<String, BoundedFileError> {
    String::from_utf8(read(path, limit)?).map_err(|error| BoundedFileError::NotText {
        path: path.to_owned(),
        source: error.utf8_error(),
    })
}

/// Reads the rest of an open file, which was found to be regular, up to `limit` bytes.
///
/// # Errors
/// [`BoundedFileError::Io`], or [`BoundedFileError::TooLarge`], also if the file grew since it was opened.
pub fn read_open(
    file: &File,
    metadata: &Metadata,
    path: &Path,
    limit: u64,
) -> Result<Vec<u8>, BoundedFileError> {
    let too_large = |size| BoundedFileError::TooLarge {
        path: path.to_owned(),
        size,
        limit,
    };
    if metadata.len() > limit {
        return Err(too_large(metadata.len()));
    }
    // One byte more, so that the end is found without growing.
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0).saturating_add(1));
    let read = file.take(limit.saturating_add(1)).read_to_end(&mut bytes);
    read.map_err(|source| BoundedFileError::io(path, source))?;
    match bytes.len() as u64 {
        size if size > limit => Err(too_large(size)),
        _ => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_whole_up_to_their_bound() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, b"12345").unwrap();
        assert_eq!(read(&path, 5).unwrap(), b"12345");
        assert_eq!(read_text(&path, u64::MAX).unwrap(), "12345");
        let error = read(&path, 4).unwrap_err();
        assert!(matches!(
            error,
            BoundedFileError::TooLarge {
                size: 5,
                limit: 4,
                ..
            }
        ));
        let text = error.to_string();
        assert!(
            text.contains("file`") && text.contains('5') && text.contains('4'),
            "{text}"
        );

        std::fs::write(&path, [b'a', 0xff]).unwrap();
        let error = read_text(&path, 5).unwrap_err();
        assert!(matches!(error, BoundedFileError::NotText { .. }), "{error}");
        assert!(read(&folder.path().join("absent"), 5).unwrap_err().is_absent());
    }

    #[test]
    fn a_hole_of_a_terabyte_is_refused_before_it_is_read() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(1 << 40).unwrap();
        let error = read(file.path(), 1 << 20).unwrap_err();
        assert!(matches!(
            error,
            BoundedFileError::TooLarge {
                size: 0x100_0000_0000,
                ..
            }
        ));
    }

    #[test]
    fn a_file_that_grows_is_not_read_beyond_the_bound() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let (open, metadata) = open_regular(file.path()).unwrap();
        std::fs::write(file.path(), b"12345").unwrap();
        let error = read_open(&open, &metadata, file.path(), 3).unwrap_err();
        assert!(
            matches!(error, BoundedFileError::TooLarge { size: 4, .. }),
            "{error}"
        );
    }
}
