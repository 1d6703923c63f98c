//! The one door to the terminal: standard output and standard error.
//!
//! Prompts, names of files, settings of other people's stores and the words of servers all end up in what is printed,
//! and a terminal obeys the control characters in them. Nothing else in this program writes to either stream
//! (`clippy.toml` holds it to that), so spelling them out here is enough.

#![expect(clippy::disallowed_methods, reason = "this is the door")]

use std::io::{self, IsTerminal as _, Write as _};

use serde::Serialize;

use super::printable::{escaped_json, printable};
use crate::failure::Failure;

/// Writes a line of data.
pub(crate) fn line(text: impl AsRef<str>) -> Result<(), Failure> {
    let mut text = printable(text.as_ref());
    text.push('\n');
    write(text.as_bytes())
}

/// Writes a value as indented JSON.
pub(crate) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let mut text = escaped_json(&serde_json::to_string_pretty(value)?);
    text.push('\n');
    write(text.as_bytes())
}

/// Writes bytes as they are, except to a terminal, which gets text it can show.
pub(crate) fn print(bytes: &[u8]) -> Result<(), Failure> {
    if io::stdout().is_terminal() {
        return write(printable(&String::from_utf8_lossy(bytes)).as_bytes());
    }
    write(bytes)
}

/// Writes a line to standard error.
///
/// A remark that nobody can read must not stop the work, so nothing is told if it cannot be written.
pub(crate) fn remark(text: impl AsRef<str>) {
    let mut text = printable(text.as_ref());
    text.push('\n');
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Writes what clap has to say: a mistake to standard error, help to standard output, with clap's own styles where a
/// terminal shows them.
///
/// Clap repeats what was typed, so styles are left out where that holds control characters of its own.
///
/// # Errors
/// If help does not reach standard output; a mistake that nobody can be told of stays a mistake.
pub(crate) fn print_usage(error: &clap::Error, typed_control_characters: bool) -> Result<(), Failure> {
    let styled = error.render();
    let plain = plain_terminal() || typed_control_characters;
    let text = |terminal: bool| match terminal && !plain {
        true => styled.ansi().to_string(),
        false => printable(&styled.to_string()),
    };
    if error.use_stderr() {
        let mut stderr = io::stderr().lock();
        let _ = stderr.write_all(text(stderr.is_terminal()).as_bytes());
        return Ok(());
    }
    write(text(io::stdout().is_terminal()).as_bytes())
}

/// Whether standard error is a terminal on which bars can move and colours are wanted.
pub(crate) fn shows_bars() -> bool {
    io::stderr().is_terminal() && !plain_terminal()
}

fn plain_terminal() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
        || std::env::var_os("TERM").is_some_and(|value| value == "dumb")
}

fn write(bytes: &[u8]) -> Result<(), Failure> {
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
