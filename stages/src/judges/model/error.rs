//! Why a judge with a model cannot be made.

use std::path::PathBuf;

/// A judge that cannot be made, or has no files.
#[derive(Debug, thiserror::Error)]
pub enum ModelJudgeError {
    /// The name of the column would stand for something else.
    #[error(
        "Setting `name` of `{kind}` is `{name}`, expected small letters, digits and underscores after a letter, and no \
         column that every table has"
    )]
    Name {
        /// The kind of judge.
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// Nothing has the name of the model's folder.
    #[error("Judge `{}` does not exist", path.display())]
    Missing {
        /// The name.
        path: PathBuf,
    },
    /// Something else than a folder has the name.
    #[error("`{}` is not the folder of a judge, in which its files lie under their own names", path.display())]
    NoFolder {
        /// The name.
        path: PathBuf,
    },
}
