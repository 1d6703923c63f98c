//! The door through which configurations, vocabularies and the heads of weight files come in.
//!
//! People name what they have: folders, pipes, pointers in place of files, downloads that broke off. Whatever is read
//! here is a regular file of a bounded length, and what lies there instead is named.

mod contents;
mod error;
mod json;
mod json_problem;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::Path;

pub use contents::Contents;
pub use error::InputFileError;
pub(crate) use json::without_infinities;
pub use json::{parse_object, read_object};
pub use json_problem::JsonProblem;

/// The longest configuration that is read, in bytes; published ones have a few thousand.
pub(crate) const LONGEST_CONFIGURATION: u64 = 16 << 20;

/// The longest vocabulary, list of merges or index of shards that is read, in bytes; CLIP's have a million.
pub const LONGEST_LIST: u64 = 256 << 20;

/// Whether something has this name, be it a link that leads nowhere or to itself.
pub fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// Opens a regular file, and returns its length with it.
///
/// # Errors
/// When nothing is there, what is there is no regular file, or it cannot be opened.
pub fn open_file(path: &Path) -> Result<(File, u64), InputFileError> {
    // Before opening, which would wait for ever for the other end of a pipe.
    check_regular(
        path,
        &path.metadata().map_err(|source| unreachable(path, source))?,
    )?;
    let file = File::open(path).map_err(|source| unreachable(path, source))?;
    let metadata = file.metadata().map_err(|source| unreachable(path, source))?;
    check_regular(path, &metadata)?;
    Ok((file, metadata.len()))
}

/// Reads a regular file of at most `limit` bytes whole.
///
/// # Errors
/// As [`open_file`], and when the file is longer.
pub fn read_file(path: &Path, limit: u64) -> Result<Vec<u8>, InputFileError> {
    let (file, found) = open_file(path)?;
    let too_long = |found| InputFileError::TooLong {
        path: path.to_owned(),
        found,
        limit,
    };
    if found > limit {
        return Err(too_long(found));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(found).unwrap_or(0));
    // It may grow meanwhile.
    let read = file.take(limit + 1).read_to_end(&mut bytes);
    read.map_err(|source| unreachable(path, source))?;
    match bytes.len() as u64 {
        length if length > limit => Err(too_long(length)),
        _ => Ok(bytes),
    }
}

/// Reads a configuration as it stands, without the byte order mark that some editors put before it.
///
/// # Errors
/// As [`read_file`], and when something else lies there than text.
pub fn read_settings_text(path: &Path) -> Result<String, InputFileError> {
    let bytes = read_file(path, LONGEST_CONFIGURATION)?;
    Ok(text_of(path, &bytes, "a JSON file")?.to_owned())
}

/// The text of a file's bytes, without a byte order mark.
///
/// # Errors
/// When they are no text; `expected` says what they should be.
pub fn text_of<'a>(path: &Path, bytes: &'a [u8], expected: &'static str) -> Result<&'a str, InputFileError> {
    let other = |found| InputFileError::Contents {
        path: path.to_owned(),
        found,
        expected,
    };
    if let Some(found) = Contents::of(bytes).filter(|found| *found != Contents::Json) {
        return Err(other(found));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| other(Contents::Binary))?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

fn check_regular(path: &Path, metadata: &std::fs::Metadata) -> Result<(), InputFileError> {
    if metadata.is_file() {
        return Ok(());
    }
    Err(InputFileError::NotAFile {
        path: path.to_owned(),
        found: if metadata.is_dir() {
            "a folder"
        } else {
            "a pipe or device"
        },
    })
}

/// Tells a name that is not there from a link that leads nowhere, and from what the system refuses.
fn unreachable(path: &Path, source: std::io::Error) -> InputFileError {
    let path = path.to_owned();
    if !matches!(source.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) {
        return InputFileError::Read { path, source };
    }
    match path.read_link() {
        Ok(target) => InputFileError::DeadLink { path, target },
        Err(_) => InputFileError::Missing { path },
    }
}
