//! `mitune store cat`

use std::fs::File;
use std::io::Read as _;

use mitune_store::Store;

use super::find;
use crate::failure::Failure;
use crate::ui::print;

const PIECE: usize = 1 << 20;

/// Writes the bytes of an artifact's own file to standard output.
pub(crate) fn run(store: &Store, text: &str) -> Result<(), Failure> {
    let listed = find::artifact(store, text)?;
    let mut file = File::open(store.blobs().path(&listed.artifact.file)?)?;
    // Piece by piece, since artifacts may be larger than the memory.
    let mut piece = vec![0; PIECE];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(()),
            count => print(&piece[..count])?,
        }
    }
}
