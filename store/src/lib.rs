//! Content-addressed artifact store: blobs, tables, action records, shards, checkpoints and run logs.
//!
//! Files are the truth. A blob is named by the hash of its bytes, a result by the hash of everything that determined
//! it, and both are written once and never changed, so any number of processes on any number of hosts may share one
//! store without a lock. Whatever cannot be read back exactly as it was written is set aside and counts as absent:
//! losing a file costs the time to compute it again, never a wrong result.
//!
//! The store knows nothing of stages or tensors beyond their bytes. `docs/store-format.md` describes the bytes on
//! disk, the steps of a commit and every crash case.
//!
//! Inside, each folder says at its head what it holds. `names` and `files` know nothing of an open store, `store` is
//! one; `artifacts`, `blobs`, `records`, `runs` and `shards` are what lies in it; `collect`, `lease`, `query`, `remote`,
//! `retention`, `sharing` and `verify` are what is done with it.
//!
//! ```
//! use mitune_store::{Lookup, Store, Value};
//! # let directory = tempfile::tempdir()?;
//! let store = Store::open(directory.path().join("store"))?;
//! let digest = store.blobs().put_bytes(b"a red circle")?;
//! assert_eq!(store.blobs().read(&digest)?, b"a red circle");
//!
//! let key = mitune_store::StageKey::derive(&Value::from_serialize(&("generate", 7))?)?;
//! assert!(matches!(store.records().lookup(&key), Lookup::Miss(_)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, reason = "a test stops at the first surprise")
)]

mod artifacts;
mod blobs;
mod canonical;
mod collect;
#[cfg(test)]
mod crash_matrix;
mod error;
mod files;
mod index;
mod lease;
mod names;
mod open_options;
mod query;
mod records;
pub mod remote;
mod retention;
mod runs;
mod shards;
mod sharing;
mod size_limits;
mod store;
mod timestamp;
pub mod trust;
mod verify;

/// Reading files that may be anything: regular ones only, up to a bound.
pub use mitune_bounded_file as bounded_file;

pub use crate::artifacts::{
    Artifact, ArtifactKind, DirectoryEntry, DirectoryFile, Part, Reach, TableError, TableReader, TensorBytes,
    TensorError, row_digests, tensors_content,
};
pub use crate::blobs::BlobWriter;
pub use crate::canonical::{CanonicalError, Difference, Value, differences, encode};
pub use crate::collect::{
    Amount, Chain, ChainStep, CollectError, CollectOptions, CollectReport, KeepRounds, Reason, Root,
    RootCounts,
};
pub use crate::error::{Fate, StoreError};
pub use crate::files::{FileIdentity, Format, FormatError, PathError};
pub use crate::index::IndexChoice;
pub use crate::lease::{Claim, Holder, Lease, LeaseSettings, Leases, Owner};
pub use crate::names::{
    ContentDigest, Digest, DigestError, FamilyKey, FileDigest, ItemKey, LeaseKey, NameError, PinName,
    PinNameError, PipelineDigest, RowDigest, RunId, StageKey,
};
pub use crate::open_options::OpenOptions;
pub use crate::query::{
    BlobEntry, Earlier, History, Lineage, LineageEdge, LineageReach, ListedArtifact, MetricCondition,
    MetricError, Query,
};
pub use crate::records::{
    ActionRecord, Batch, Checkpoint, Effort, InputRecord, Lookup, MissReason, Producer, Published, Tombstone,
};
pub use crate::retention::{KeptRun, KeptWhy, Pin, PinError, PinTarget};
pub use crate::runs::{ProcessEvent, RunEvent, RunLog, RunMember, RunRecord, RunStatus};
pub use crate::shards::{ItemRow, ShardItem, ShardListing, ShardRecord, index_items};
pub use crate::sharing::Sharing;
pub use crate::size_limits::MOST_INPUTS;
pub use crate::store::{Artifacts, Blobs, Catalog, Pins, Records, Remotes, Runs, Shards, Store};
pub use crate::timestamp::Timestamp;
pub use crate::verify::{
    RepairSource, Sample, SampleError, VerifyDepth, VerifyFinding, VerifyOutcome, VerifyReport,
};
