//! `mitune store export`

use std::path::Path;

use mitune_store::Store;

use super::find;
use crate::failure::Failure;

/// Writes an artifact to a file, or to a folder if it is one.
pub(crate) fn run(store: &Store, text: &str, path: &Path) -> Result<(), Failure> {
    let listed = find::artifact(store, text)?;
    Ok(store.artifacts().export(&listed.artifact, path)?)
}
