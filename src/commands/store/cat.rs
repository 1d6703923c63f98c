//! `mitune store cat`

use mitune_store::Store;

use super::find;
use crate::failure::Failure;
use crate::ui::print;

/// Writes the bytes of an artifact's own file to standard output.
pub(crate) fn run(store: &Store, text: &str) -> Result<(), Failure> {
    let listed = find::artifact(store, text)?;
    let bytes = store.read(&listed.artifact.file)?;
    print(&bytes)
}
