use std::path::{Path, PathBuf};

use super::{Contents, JsonProblem};

/// Why a file that the user has cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum InputFileError {
    /// Nothing has that name.
    #[error("`{}` does not exist", path.display())]
    Missing {
        /// The name.
        path: PathBuf,
    },
    /// A link leads nowhere.
    #[error("`{}` is a link to `{}`, which does not exist", path.display(), target.display())]
    DeadLink {
        /// The link.
        path: PathBuf,
        /// Where it leads, as it is written.
        target: PathBuf,
    },
    /// A folder, a pipe or a device.
    #[error("`{}` is {found}, expected a regular file", path.display())]
    NotAFile {
        /// The name.
        path: PathBuf,
        /// What is there.
        found: &'static str,
    },
    /// The file is longer than any honest one of its kind.
    #[error("`{}` has {found} bytes, more than the limit of {limit} for such a file", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Its length in bytes.
        found: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// Something else lies there.
    #[error("`{}` {found}, expected {expected}", path.display())]
    Contents {
        /// The file.
        path: PathBuf,
        /// What it is.
        found: Contents,
        /// What it should be.
        expected: &'static str,
    },
    /// The text is not JSON.
    #[error("`{}` is not valid JSON", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Where and why not.
        source: JsonProblem,
    },
    /// The JSON is a list or a single value.
    #[error("`{}` holds {found}, expected settings by name in braces", path.display())]
    NotAnObject {
        /// The file.
        path: PathBuf,
        /// What it holds.
        found: &'static str,
    },
    /// The system refuses.
    #[error("Cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
}

impl InputFileError {
    /// The file.
    pub fn path(&self) -> &Path {
        match self {
            Self::Missing { path }
            | Self::DeadLink { path, .. }
            | Self::NotAFile { path, .. }
            | Self::TooLong { path, .. }
            | Self::Contents { path, .. }
            | Self::Json { path, .. }
            | Self::NotAnObject { path, .. }
            | Self::Read { path, .. } => path,
        }
    }

    /// What to do, where that is known from the file alone.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Contents { found, .. } => found.hint().map(str::to_owned),
            Self::Json {
                source: JsonProblem::Cut | JsonProblem::Zeros { .. },
                ..
            } => Some("Download it again: the last time did not come to its end".to_owned()),
            Self::DeadLink { .. } => {
                Some("What the link led to was moved, removed or never downloaded; get it again".to_owned())
            }
            _ => None,
        }
    }
}
