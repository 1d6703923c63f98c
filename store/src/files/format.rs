//! The `FORMAT` file: who may read and who may write a store.

use std::fmt::Display;

use serde::{Deserialize, Serialize};

/// The format this program writes.
pub(crate) const CURRENT: u32 = 1;

/// The content of `FORMAT`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Format {
    /// The format of the store.
    pub format: u32,
    /// The oldest format a program must know to read it.
    pub min_reader: u32,
    /// The oldest format a program must know to write it.
    pub min_writer: u32,
    /// The hash function, always `blake3`.
    pub hash: String,
    /// Identifies this store on every host that mounts it.
    pub store_id: String,
}

/// A store this program cannot work with.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// The store needs a newer program to be read.
    #[error(
        "`{path}` needs a program that reads format {needed}, this one reads up to {CURRENT}: use a newer mitune"
    )]
    NeedsNewerReader {
        /// The file.
        path: String,
        /// The format a reader must know.
        needed: u32,
    },
    /// The store needs a newer program to be written.
    #[error(
        "The store of `{path}` is read-only here: it needs a program that writes format {needed}, this one writes \
         {CURRENT}: use a newer mitune"
    )]
    NeedsNewerWriter {
        /// The file.
        path: String,
        /// The format a writer must know.
        needed: u32,
    },
    /// There is no store to write to.
    #[error("There is no store at `{path}`")]
    Absent {
        /// The directory.
        path: String,
    },
    /// The store uses another hash function.
    #[error(
        "`{path}` says that the store hashes with `{hash}`, this program hashes with `blake3`: use a newer mitune; if the \
         file is damaged, move it away, and a run with that store writes it anew"
    )]
    Hash {
        /// The file.
        path: String,
        /// The name of the function.
        hash: String,
    },
    /// The identity cannot become part of a file name.
    #[error(
        "`{path}` holds `{id}`, which is not the identity of a store: it takes 1 to 64 letters and digits; a run with that \
         store writes it anew"
    )]
    StoreId {
        /// The file.
        path: String,
        /// What stands there.
        id: String,
    },
    /// `FORMAT` cannot be parsed.
    #[error("`{path}` is not a store description; a run with that store writes it anew")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        source: serde_json::Error,
    },
    /// Something else has the name `FORMAT`.
    #[error("`{path}` is not a regular file; a run with that store sets it aside and writes it anew")]
    NotAFile {
        /// What has the name.
        path: String,
    },
    /// The directory holds something else.
    #[error("`{path}` is not a store: it has no FORMAT file but holds `{found}`; name another folder")]
    NotAStore {
        /// The directory.
        path: String,
        /// An entry that does not belong to a store.
        found: String,
    },
    /// `FORMAT` is of no use, and what stands beside it may be of a newer program.
    #[error(
        "`{path}/FORMAT` is damaged, and it is not written anew, because `{path}` also holds `{found}`, which is of no \
         store that this program knows: move that away, or use a newer mitune"
    )]
    Guess {
        /// The directory.
        path: String,
        /// An entry that does not belong to a store.
        found: String,
    },
}

impl Format {
    pub(crate) fn new(store_id: String) -> Self {
        Self {
            format: CURRENT,
            min_reader: 1,
            min_writer: 1,
            hash: "blake3".to_owned(),
            store_id,
        }
    }

    /// Checks the identity, which becomes part of file names on hosts that use the store.
    pub(crate) fn check_identity(&self, place: &dyn Display) -> Result<(), FormatError> {
        if is_identity(&self.store_id) {
            return Ok(());
        }
        let (path, id) = (place.to_string(), self.store_id.chars().take(80).collect());
        Err(FormatError::StoreId { path, id })
    }

    pub(crate) fn check_readable(&self, place: &dyn Display) -> Result<(), FormatError> {
        let path = || place.to_string();
        if self.hash != "blake3" {
            let (path, hash) = (path(), self.hash.chars().take(80).collect());
            return Err(FormatError::Hash { path, hash });
        }
        if self.min_reader > CURRENT {
            let (path, needed) = (path(), self.min_reader);
            return Err(FormatError::NeedsNewerReader { path, needed });
        }
        Ok(())
    }

    pub(crate) fn check_writable(&self, place: &dyn Display) -> Result<(), FormatError> {
        if self.min_writer > CURRENT {
            let (path, needed) = (place.to_string(), self.min_writer);
            return Err(FormatError::NeedsNewerWriter { path, needed });
        }
        Ok(())
    }
}

/// Tells whether a text can be the identity of a store; today's program makes ULIDs.
pub(crate) fn is_identity(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_no_path() {
        assert!(is_identity("01ARZ3NDEKTSV4RRFFQ69G5FAV"));
        for text in ["", "..", "../../home", "a/b", "a\u{0}", "a b", &"a".repeat(65)] {
            assert!(!is_identity(text), "{text}");
            let error = Format::new(text.to_owned())
                .check_identity(&"store/FORMAT")
                .unwrap_err();
            assert!(error.to_string().starts_with("`store/FORMAT` holds"), "{error}");
        }
    }
}
