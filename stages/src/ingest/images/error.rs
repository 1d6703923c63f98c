//! What can go wrong while images are read as data.

use std::path::{Path, PathBuf};

use mitune_bounded_file::BoundedFileError;
use mitune_diffusion::image::ImageError;

use super::zip_archive::ZipProblem;
use crate::contract::StageError;
use crate::ingest::prompts::{InvalidPrompt, PromptsError};
use crate::ingest::stage::stage_error;

/// What keys call the files of a source.
pub(crate) const SOURCE: &str = "source";

/// A source that cannot be read, with the file and the place in it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImagesError {
    /// A file cannot be read, or lacks a column.
    #[error(transparent)]
    Source(#[from] PromptsError),
    /// The prompt of a row cannot be used.
    #[error("The prompt in row {row} of `{}` {problem}", path.display())]
    Prompt {
        path: PathBuf,
        row: u64,
        problem: InvalidPrompt,
    },
    /// A weight is none.
    #[error("The weight in row {row} of `{}` is {found}, expected a number from 0 on", path.display())]
    Weight { path: PathBuf, row: u64, found: String },
    /// A row has a weight where the first one has none.
    #[error(
        "Row {row} of `{}` has a weight, but the first row has none; give all rows one or none",
        path.display()
    )]
    LateWeight { path: PathBuf, row: u64 },
    /// Two images of COCO have one number.
    #[error(
        "Images `{first}` and `{second}` of `{}` have the same `id`, {id}, so that captions fit both; give each \
         its own",
        path.display()
    )]
    SameNumber {
        path: PathBuf,
        id: u64,
        first: String,
        second: String,
    },
    /// A line is no object of JSON.
    #[error("Line {row} of `{}` is no JSON object", path.display())]
    Line {
        path: PathBuf,
        row: u64,
        source: serde_json::Error,
    },
    /// A line has no end.
    #[error("Line {row} of `{}` is longer than {limit} bytes", path.display())]
    LongLine { path: PathBuf, row: u64, limit: usize },
    /// A file is not JSON as its source has it.
    #[error("`{}` is not {expected}", path.display())]
    Json {
        path: PathBuf,
        expected: &'static str,
        source: serde_json::Error,
    },
    /// An archive cannot be read.
    #[error("Cannot read `{}` as ZIP", path.display())]
    Zip { path: PathBuf, source: ZipProblem },
    /// An archive holds images alone.
    #[error("There is no JSON file in `{}`, expected that of a part of DiffusionDB", path.display())]
    NoPart { path: PathBuf },
    /// An archive holds several parts.
    #[error(
        "There are several JSON files in `{}`, such as `{first}` and `{second}`, expected that of one part \
         of DiffusionDB; unpack it and give the folder",
        path.display()
    )]
    Parts {
        path: PathBuf,
        first: String,
        second: String,
    },
    /// A file is another one than a moment ago.
    #[error("A file of the source changed while it was read")]
    Changed,
}

/// Why one image of a source cannot be used; the others can.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImageProblem {
    /// The row has none.
    #[error("there is none")]
    Absent,
    /// Its file cannot be read.
    #[error("{}", in_one_line(.0))]
    File(#[from] BoundedFileError),
    /// It cannot be unpacked.
    #[error("{0}")]
    Zip(#[from] ZipProblem),
    /// Its bytes are no image.
    #[error("{}", in_one_line(.0))]
    Undecodable(#[from] ImageError),
    /// Nothing is left of it.
    #[error("it has {width} x {height} pixels, expected at least {least} along each side")]
    TooSmall { width: u32, height: u32, least: usize },
}

impl ImagesError {
    /// What a file is that cannot be opened.
    pub(crate) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let read = PromptsError::read(path);
        move |error| Self::Source(read(error))
    }

    /// Tells what the pipeline or its files should change from what only failed this time.
    pub(crate) fn into_stage_error(self) -> StageError {
        match self {
            Self::Source(error) => stage_error(error),
            Self::Changed => StageError::Changed {
                input: SOURCE.to_owned(),
            },
            error => StageError::configuration(error),
        }
    }
}

impl From<BoundedFileError> for ImagesError {
    fn from(error: BoundedFileError) -> Self {
        Self::Source(error.into())
    }
}

/// An error with its cause, as it stands in a list.
fn in_one_line(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
