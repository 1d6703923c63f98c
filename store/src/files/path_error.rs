//! I/O errors that name their path.

use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

/// A failed operation on a path.
///
/// The two conditions a user can do something about, a full disk and a read-only place, have variants of their own.
#[derive(Debug, thiserror::Error)]
pub enum PathError {
    /// No room is left: the disk, a quota or a file-size limit is exhausted.
    #[error("Cannot {action} `{}`: no space is left there", path.display())]
    StorageFull {
        /// What was tried.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The place may not be written.
    #[error("Cannot {action} `{}`: the place is read-only", path.display())]
    ReadOnly {
        /// What was tried.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// Any other I/O error.
    #[error("Cannot {action} `{}`", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
}

impl PathError {
    pub(crate) fn new(action: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_path_buf();
        match source.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::NOSPC | Errno::DQUOT | Errno::FBIG) => Self::StorageFull { action, path, source },
            Some(Errno::ROFS) => Self::ReadOnly { action, path, source },
            _ => Self::Io { action, path, source },
        }
    }

    /// Returns the path of the failed operation.
    pub fn path(&self) -> &Path {
        match self {
            Self::StorageFull { path, .. } | Self::ReadOnly { path, .. } | Self::Io { path, .. } => path,
        }
    }

    /// Returns the error of the operating system alone, for errors that name the place themselves.
    pub(crate) fn into_io(self) -> io::Error {
        match self {
            Self::StorageFull { source, .. } | Self::ReadOnly { source, .. } | Self::Io { source, .. } => {
                source
            }
        }
    }

    /// Returns the error of the operating system.
    pub fn io(&self) -> &io::Error {
        match self {
            Self::StorageFull { source, .. } | Self::ReadOnly { source, .. } | Self::Io { source, .. } => {
                source
            }
        }
    }
}

/// Attaches what was tried and where to an I/O result.
pub(crate) trait AtPath<T> {
    /// Names the action, an infinitive such as `read`, and the path.
    fn at(self, action: &'static str, path: &Path) -> Result<T, PathError>;
}

impl<T, E: Into<io::Error>> AtPath<T> for Result<T, E> {
    fn at(self, action: &'static str, path: &Path) -> Result<T, PathError> {
        self.map_err(|source| PathError::new(action, path, source.into()))
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;

    fn failure(errno: Errno) -> PathError {
        Err::<(), _>(errno)
            .at("write", Path::new("blobs/ab"))
            .unwrap_err()
    }

    #[test]
    fn a_full_disk_and_a_read_only_place_are_told_apart() {
        for errno in [Errno::NOSPC, Errno::DQUOT, Errno::FBIG] {
            assert!(matches!(failure(errno), PathError::StorageFull { .. }));
        }
        assert!(matches!(failure(Errno::ROFS), PathError::ReadOnly { .. }));
        assert!(matches!(failure(Errno::IO), PathError::Io { .. }));
        let full = failure(Errno::NOSPC);
        assert_eq!(
            full.to_string(),
            "Cannot write `blobs/ab`: no space is left there"
        );
        assert_eq!(full.path(), Path::new("blobs/ab"));
        assert!(full.source().unwrap().to_string().contains("No space left"));
    }
}
