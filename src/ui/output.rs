//! Standard output.

use std::io::{self, Write as _};

use serde::Serialize;

use crate::failure::Failure;

/// Writes a line of data.
pub(crate) fn line(text: impl AsRef<str>) -> Result<(), Failure> {
    let mut output = io::stdout().lock();
    output.write_all(text.as_ref().as_bytes())?;
    output.write_all(b"\n")?;
    Ok(())
}

/// Writes a value as indented JSON.
pub(crate) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let mut output = io::stdout().lock();
    serde_json::to_writer_pretty(&mut output, value)?;
    output.write_all(b"\n")?;
    Ok(())
}
