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
//! ```
//! use mitune_store::{Lookup, Store, Value};
//! # let directory = tempfile::tempdir()?;
//! let store = Store::open(directory.path().join("store"))?;
//! let digest = store.put_bytes(b"a red circle")?;
//! assert_eq!(store.read(&digest)?, b"a red circle");
//!
//! let key = mitune_store::StageKey::derive(&Value::from_serialize(&("generate", 7))?)?;
//! assert!(matches!(store.lookup(&key), Lookup::Miss(_)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, reason = "a test stops at the first surprise")
)]

mod actions;
mod age;
mod artifact;
mod batch;
mod blob;
mod blob_writer;
mod canonical;
mod checkpoint;
mod collect;
#[cfg(test)]
mod crash_matrix;
mod digest;
mod directory;
mod error;
mod export;
mod fan;
mod file_system;
mod format;
mod history;
mod id;
mod identity;
mod index;
mod inside;
mod items;
mod json;
mod key;
mod layout;
mod lease;
mod length;
mod lineage;
mod listing;
mod logical_name;
mod lookup;
mod open_options;
mod path_error;
mod publish;
mod quarantine;
mod query;
mod record;
pub mod remote;
mod renewal;
mod roots;
mod run;
mod run_log;
mod sealed;
mod shard;
mod shard_check;
mod shard_listing;
mod sharing;
mod staging;
mod staging_owner;
mod store;
mod table;
mod tensors;
mod timestamp;
mod tombstone;
mod trash;
pub mod trust;
mod verify;
#[cfg(test)]
mod versions;
mod volume;
mod write_back;

/// Reading files that may be anything: regular ones only, up to a bound.
pub use mitune_bounded_file as bounded_file;

pub use crate::actions::Published;
pub use crate::artifact::{Artifact, ArtifactKind};
pub use crate::batch::Batch;
pub use crate::blob_writer::BlobWriter;
pub use crate::canonical::{CanonicalError, Difference, Value, differences, encode};
pub use crate::checkpoint::Checkpoint;
pub use crate::collect::{
    Amount, Chain, ChainStep, CollectError, CollectOptions, CollectReport, KeepRounds, Reason, Root,
    RootCounts,
};
pub use crate::digest::{Digest, DigestError};
pub use crate::directory::{DirectoryEntry, DirectoryFile};
pub use crate::error::{Fate, StoreError};
pub use crate::format::{Format, FormatError};
pub use crate::history::{Earlier, History};
pub use crate::id::{ContentDigest, FamilyKey, FileDigest, ItemKey, RowDigest, StageKey};
pub use crate::index::IndexChoice;
pub use crate::items::{ItemRow, index_items};
pub use crate::lease::{Claim, Holder, Lease, LeaseKey, LeaseSettings, Leases, Owner};
pub use crate::lineage::{Lineage, LineageEdge, LineageReach};
pub use crate::listing::{BlobEntry, ListedArtifact};
pub use crate::logical_name::NameError;
pub use crate::lookup::{Lookup, MissReason};
pub use crate::open_options::OpenOptions;
pub use crate::path_error::PathError;
pub use crate::query::{MetricCondition, MetricError, Query};
pub use crate::record::{ActionRecord, Effort, InputRecord, Producer};
pub use crate::roots::{KeptRun, KeptWhy, Pin, PinError, PinName, PinNameError, PinTarget};
pub use crate::run::{RunEvent, RunId, RunRecord, RunStatus};
pub use crate::run_log::RunLog;
pub use crate::shard::{ShardItem, ShardRecord};
pub use crate::shard_listing::ShardListing;
pub use crate::sharing::Sharing;
pub use crate::store::Store;
pub use crate::table::{Part, Reach, TableError, TableReader, row_digests};
pub use crate::tensors::{TensorBytes, TensorError, tensors_content};
pub use crate::timestamp::Timestamp;
pub use crate::tombstone::Tombstone;
pub use crate::verify::{
    RepairSource, Sample, SampleError, VerifyDepth, VerifyFinding, VerifyOutcome, VerifyReport,
};
