use std::path::{Path, PathBuf};

use mitune_bounded_file::BoundedFileError;
use mitune_stages::contract::StageError;

use crate::document::{AssignmentError, DocumentError, Mark};

/// Why a pipeline cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// The file could not be read.
    #[error("Cannot read pipeline `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is none that can be a pipeline.
    #[error(transparent)]
    NoPipeline(BoundedFileError),
    /// Something in the file is wrong.
    #[error("{}{error}", position(file, error.mark))]
    Document {
        /// The file.
        file: PathBuf,
        /// What is wrong and where.
        error: DocumentError,
    },
    /// The settings of a stage do not go together.
    #[error("{}Stage `{stage}` cannot be set up", position(file, *mark))]
    Stage {
        /// The file.
        file: PathBuf,
        /// Where the stage stands.
        mark: Option<Mark>,
        /// The stage.
        stage: String,
        /// Why.
        source: StageError,
    },
    /// A `--set` makes no sense.
    #[error("Option `--set` cannot be applied")]
    Assignment(#[from] AssignmentError),
}

impl PipelineError {
    /// Returns what to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Document { error, .. } => error.hint(),
            Self::NoPipeline(BoundedFileError::NotText { .. }) => {
                Some("Save the file as UTF-8; `iconv -f LATIN1 -t UTF-8` and `iconv -f UTF-16 -t UTF-8` convert it".to_owned())
            }
            Self::NoPipeline(BoundedFileError::NotRegular { .. }) => {
                Some("Give the pipeline's YAML file, such as `pipeline.yaml`".to_owned())
            }
            _ => None,
        }
    }
}

impl From<BoundedFileError> for PipelineError {
    fn from(error: BoundedFileError) -> Self {
        match error {
            BoundedFileError::Io { path, source } => Self::Read { path, source },
            other => Self::NoPipeline(other),
        }
    }
}

/// Writes a position as editors and terminals recognise it.
pub(crate) fn position(file: &Path, mark: Option<Mark>) -> String {
    match mark {
        Some(mark) => format!("{}:{mark}: ", file.display()),
        None => format!("{}: ", file.display()),
    }
}
