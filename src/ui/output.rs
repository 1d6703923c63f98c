//! Standard output.

use std::io::{self, Write as _};

use serde::Serialize;

use crate::failure::{Failure, printable};

/// Writes a line of data; control characters, which names and remarks of others may hold, are spelled out.
pub(crate) fn line(text: impl AsRef<str>) -> Result<(), Failure> {
    let mut text = printable(text.as_ref());
    text.push('\n');
    print(text.as_bytes())
}

/// Writes a value as indented JSON.
pub(crate) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    line(serde_json::to_string_pretty(value)?)
}

/// Writes bytes as they are.
pub(crate) fn print(bytes: &[u8]) -> Result<(), Failure> {
    let mut output = io::stdout().lock();
    // What is left in the buffer when the program ends would be lost without a word.
    let written = output.write_all(bytes).and_then(|()| output.flush());
    written.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => error.into(),
        _ => Failure::failed(Unwritable(error)),
    })
}

/// Standard output does not take what is written.
#[derive(Debug, thiserror::Error)]
#[error("Cannot write to standard output")]
struct Unwritable(#[source] io::Error);
