//! Why a file is not read.

use std::io;
use std::path::{Path, PathBuf};
use std::str::Utf8Error;

/// A file that is not read; the message names it.
#[derive(Debug, thiserror::Error)]
pub enum BoundedFileError {
    /// The operating system says no.
    #[error("Cannot read `{}`", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// Something else than a file of bytes has the name.
    #[error("`{}` is {found}, not a regular file", path.display())]
    NotRegular {
        /// The path.
        path: PathBuf,
        /// What is there, with its article.
        found: &'static str,
    },
    /// It has more bytes than are read.
    #[error("`{}` has {size} bytes, at most {limit} are read", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Bytes that were found; of a file that grew, one more than the limit.
        size: u64,
        /// Bytes that are read at most.
        limit: u64,
    },
    /// The bytes are no UTF-8.
    #[error("`{}` is not UTF-8 text", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
        /// Where the text ends.
        source: Utf8Error,
    },
}

impl BoundedFileError {
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            source,
        }
    }

    /// Tells whether there is no such file.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }

    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        match self {
            Self::Io { path, .. }
            | Self::NotRegular { path, .. }
            | Self::TooLarge { path, .. }
            | Self::NotText { path, .. } => path,
        }
    }
}

/// For errors that name the path themselves: what the operating system said, or what is wrong with the file.
impl From<BoundedFileError> for io::Error {
    fn from(error: BoundedFileError) -> Self {
        let wrong = |text: String| Self::new(io::ErrorKind::InvalidData, text);
        match error {
            BoundedFileError::Io { source, .. } => source,
            BoundedFileError::NotRegular { found, .. } => wrong(format!("it is {found}, not a regular file")),
            BoundedFileError::TooLarge { size, limit, .. } => {
                wrong(format!("it has {size} bytes, at most {limit} are read"))
            }
            BoundedFileError::NotText { source, .. } => wrong(format!("it is not UTF-8 text: {source}")),
        }
    }
}
