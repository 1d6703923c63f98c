//! What can be wrong with a pair of an image and a prompt.

use std::io;
use std::path::PathBuf;

use super::clean::InvalidPrompt;

/// A pair that cannot be used, with the file and the row in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PairError {
    /// The prompt of a pair cannot be used.
    #[error("The prompt in row {row} of `{}` {problem}", path.display())]
    InvalidPrompt {
        /// The file of pairs.
        path: PathBuf,
        /// The row, from 1.
        row: u64,
        /// What is wrong with it.
        problem: InvalidPrompt,
    },
    /// A pair names an image that cannot be found in its row.
    #[error("Row {row} of `{}` has no image: {problem}", path.display())]
    NoImage {
        /// The file of pairs.
        path: PathBuf,
        /// The row, from 1.
        row: u64,
        /// What is missing.
        problem: &'static str,
    },
    /// An image that a pair names cannot be read.
    #[error("Cannot read the image `{}` of row {row} of `{}`", image.display(), path.display())]
    ReadImage {
        /// The file of pairs.
        path: PathBuf,
        /// The row, from 1.
        row: u64,
        /// The image.
        image: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}
