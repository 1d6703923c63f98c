//! `mitune store cat`

use std::io::{self, Write as _};

use mitune_store::Store;

use super::find;
use crate::failure::Failure;

/// Writes the bytes of an artifact's own file to standard output.
pub(crate) fn run(store: &Store, text: &str) -> Result<(), Failure> {
    let listed = find::artifact(store, text)?;
    let bytes = store.read(&listed.artifact.file)?;
    Ok(io::stdout().lock().write_all(&bytes)?)
}
