//! The index: what this host knows of a store, to be quicker next time.
//!
//! Files are the truth. The index is derived, kept on a disk of this host, used by one process at a time, and may be
//! deleted whenever. An entry that is not there means nothing: the file decides. An entry that is there is confirmed by
//! looking at the file it speaks of. Whatever goes wrong with it (an error, a panic, no answer in time) ends its use
//! in this process and never the work.

mod entry;
mod error;
mod guard;
mod handle;
mod memory;
mod sled_index;
#[cfg(test)]
mod tests;
mod verified;

use std::path::PathBuf;

pub(crate) use entry::Tree;
pub(crate) use handle::IndexHandle;
pub(crate) use verified::Verified;

use error::IndexError;

/// Which index a store uses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum IndexChoice {
    /// None: everything is read from files.
    #[default]
    None,
    /// One that this process forgets.
    Memory,
    /// One on disk below a folder of this host, which gets a folder per store. It must not be on a shared file system.
    Sled(PathBuf),
}

/// A key with its value; `None` removes it.
pub(crate) type Change = (Vec<u8>, Option<Vec<u8>>);

/// A key with its value.
pub(crate) type Pair = (Vec<u8>, Vec<u8>);

/// A sorted map of small values that may forget everything.
trait Index {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError>;
    /// Makes all changes, then syncs once.
    fn put_batch(&self, changes: Vec<Change>) -> Result<(), IndexError>;
    /// Lists at most `limit` pairs whose keys begin with `prefix` and come after `after`.
    fn prefix(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<Pair>, IndexError>;
    fn clear(&self) -> Result<(), IndexError>;
}
