//! One type per kind of identifier, so that a file digest cannot be passed where a key is meant.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::digest::{Digest, DigestError};

macro_rules! identifier {
    ($(#[$attribute:meta])* $name:ident) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Digest);

        impl $name {
            /// Wraps a digest of this kind.
            pub const fn new(digest: Digest) -> Self {
                Self(digest)
            }

            /// Returns the digest without its kind.
            pub const fn digest(&self) -> &Digest {
                &self.0
            }

            /// Returns the 32 bytes.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                self.0.as_bytes()
            }

            /// Returns the first 12 digits, for messages and tables.
            pub fn short(&self) -> String {
                self.0.short()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(formatter)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = DigestError;

            fn from_str(text: &str) -> Result<Self, DigestError> {
                text.parse().map(Self)
            }
        }
    };
}

identifier! {
    /// Names a blob: the plain BLAKE3 hash of its bytes, so `b3sum` agrees.
    FileDigest
}
identifier! {
    /// Names what an artifact means: schema and ordered rows, or tensors by name, whatever file holds them.
    ContentDigest
}
identifier! {
    /// Names everything that determines the result of a stage.
    StageKey
}
identifier! {
    /// Names what the items of a stage have in common: its settings without the list of items.
    FamilyKey
}
identifier! {
    /// Names one item of a family: for candidates, one prompt and seed index.
    ItemKey
}
identifier! {
    /// Names everything that determines the stages of a pipeline: processes at the same one join one run.
    PipelineDigest
}
identifier! {
    /// Names the values of one table row.
    RowDigest
}

impl FileDigest {
    /// Hashes bytes held in memory.
    pub fn of(bytes: &[u8]) -> Self {
        const WORTH_THREADS: usize = 1 << 20;
        let mut hasher = blake3::Hasher::new();
        if bytes.len() < WORTH_THREADS {
            hasher.update(bytes);
        } else {
            hasher.update_rayon(bytes);
        }
        Self(hasher.finalize().into())
    }
}
