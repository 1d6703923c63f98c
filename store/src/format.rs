//! The `FORMAT` file: who may read and who may write a store.

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
    #[error("The store needs a program that reads format {needed}, this one reads up to {CURRENT}")]
    NeedsNewerReader {
        /// The format a reader must know.
        needed: u32,
    },
    /// The store needs a newer program to be written.
    #[error(
        "The store is read-only here: it needs a program that writes format {needed}, this one writes {CURRENT}"
    )]
    NeedsNewerWriter {
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
    #[error("The store hashes with `{0}`, this program with `blake3`")]
    Hash(String),
    /// The identity cannot become part of a file name.
    #[error("`{0}` is not the identity of a store: it takes 1 to 64 letters and digits")]
    StoreId(String),
    /// `FORMAT` cannot be parsed.
    #[error("`{path}` is not a store description")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        source: serde_json::Error,
    },
    /// The directory holds something else.
    #[error("`{path}` is not a store: it has no FORMAT file but holds `{found}`")]
    NotAStore {
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
    pub(crate) fn check_identity(&self) -> Result<(), FormatError> {
        match is_identity(&self.store_id) {
            true => Ok(()),
            false => Err(FormatError::StoreId(self.store_id.chars().take(80).collect())),
        }
    }

    pub(crate) fn check_readable(&self) -> Result<(), FormatError> {
        if self.hash != "blake3" {
            return Err(FormatError::Hash(self.hash.clone()));
        }
        if self.min_reader > CURRENT {
            return Err(FormatError::NeedsNewerReader {
                needed: self.min_reader,
            });
        }
        Ok(())
    }

    pub(crate) fn check_writable(&self) -> Result<(), FormatError> {
        if self.min_writer > CURRENT {
            return Err(FormatError::NeedsNewerWriter {
                needed: self.min_writer,
            });
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
            assert!(Format::new(text.to_owned()).check_identity().is_err());
        }
    }
}
