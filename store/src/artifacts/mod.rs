//! Typed results: how tables, tensors, directories, JSON values and pages lie in blobs, and how they leave the store.

mod artifact;
pub(crate) mod directory;
mod export;
mod json;
mod members;
pub(crate) mod table;
mod tensors;

pub use self::artifact::{Artifact, ArtifactKind};
pub use self::directory::{DirectoryEntry, DirectoryFile};
pub(crate) use self::json::json_artifact;
pub use self::table::{Part, Reach, TableError, TableReader, row_digests};
pub use self::tensors::{TensorBytes, TensorError, tensors_content};
