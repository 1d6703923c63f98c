//! The file of given pairs, and the one that is written of them.

use std::path::Path;

use super::error::GivenPairsError;
use crate::contract::StageError;
use crate::ingest::prompts::PromptsError;
use crate::ingest::prompts::pairs::Pairs;
use crate::output_file::{OutputFileError, check_place};

/// Opens the pairs.
///
/// # Errors
/// [`StageError::Configuration`] if they cannot be read.
pub(crate) fn open(pairs: &Path) -> Result<Pairs, StageError> {
    Pairs::open(pairs).map_err(StageError::configuration)
}

/// Counts the pairs, and so finds an image that is not there before hours of work.
///
/// # Errors
/// [`StageError::Configuration`] if there are none, or one cannot be read.
pub(crate) fn count(pairs: &Path) -> Result<u64, StageError> {
    let total = open(pairs)?.try_fold(0, |count, pair| pair.map(|_| count + 1));
    match total.map_err(|error: PromptsError| StageError::configuration(error))? {
        0 => Err(StageError::configuration(GivenPairsError::Empty {
            path: pairs.to_owned(),
        })),
        total => Ok(total),
    }
}

/// Finds out before hours of work whether the table can be written.
///
/// # Errors
/// [`StageError::Configuration`] if it cannot, or would overwrite the pairs.
pub(crate) fn check_output(out: &Path, pairs: &Path) -> Result<(), StageError> {
    let path = out.to_owned();
    if path.is_dir() {
        return Err(StageError::configuration(GivenPairsError::Folder { path }));
    }
    let same = |a: &Path, b: &Path| matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b);
    if same(out, pairs) {
        return Err(StageError::configuration(GivenPairsError::SameFile { path }));
    }
    check_place(out, b"PAR1").map_err(OutputFileError::before_work)
}

/// Names the image of a row, by its path where the file of pairs has one.
pub(crate) fn name(pairs: &Path, image: Option<&str>, row: u64) -> String {
    match image {
        Some(image) => format!("Image `{image}` (row {row} of `{}`)", pairs.display()),
        None => format!("The image in row {row} of `{}`", pairs.display()),
    }
}
