use std::collections::BTreeMap;

use serde::Serialize;

/// Why a file is collected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// A blob that nothing kept leads to.
    Blob,
    /// The record of a stage that nothing kept leads to.
    ActionRecord,
    /// The record of a shard whose rows nothing kept holds.
    ShardRecord,
    /// A checkpoint of a stage that is done, or that nothing kept leads to.
    Checkpoint,
    /// A file that a dead process was writing, or its lease.
    Staging,
    /// A damaged file that was set aside long ago.
    Quarantine,
    /// A superseded record of long ago.
    Divergent,
}

impl Reason {
    /// Returns a plural noun for what is collected.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Blob => "unreachable blobs",
            Self::ActionRecord => "unreachable stage records",
            Self::ShardRecord => "unreachable shard records",
            Self::Checkpoint => "checkpoints no longer needed",
            Self::Staging => "files of dead writers",
            Self::Quarantine => "damaged files set aside",
            Self::Divergent => "superseded records",
        }
    }
}

/// A number of files and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Amount {
    /// Number of files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Amount {
    pub(crate) fn add(&mut self, bytes: u64) {
        self.files += 1;
        self.bytes += bytes;
    }
}

/// Where marking began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct RootCounts {
    /// Pins.
    pub pins: u64,
    /// Runs that are kept.
    pub runs: u64,
    /// Runs that are not kept.
    pub runs_given_up: u64,
    /// Live leases.
    pub leases: u64,
    /// Records of stages, shards and checkpoints kept for their age alone.
    pub recent: u64,
}

/// What a collection did, or would do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CollectReport {
    /// The name of the collection in `trash/`, `None` if nothing was changed.
    pub id: Option<String>,
    /// Where marking began.
    pub roots: RootCounts,
    /// Stage records that stay.
    pub records: u64,
    /// Blobs that something kept leads to.
    pub live: Amount,
    /// Blobs that nothing leads to, but too young to be collected.
    pub young: Amount,
    /// What was moved to the trash, or removed for good where it cannot be needed again, by reason.
    pub collected: BTreeMap<Reason, Amount>,
    /// What an earlier collection moved to the trash and this one removed for good.
    pub removed: Amount,
    /// What an earlier collection moved to the trash and this one put back, because something needs it again.
    pub restored: Amount,
    /// What stays in the trash until it is old enough.
    pub waiting: Amount,
    /// Files that could not be moved or removed, and the first reason.
    pub failed: u64,
    /// The first reason.
    pub failure: Option<String>,
}

impl CollectReport {
    /// Sums up what was collected.
    pub fn total(&self) -> Amount {
        self.collected
            .values()
            .fold(Amount::default(), |sum, amount| Amount {
                files: sum.files + amount.files,
                bytes: sum.bytes + amount.bytes,
            })
    }

    pub(crate) fn fail(&mut self, error: &dyn std::fmt::Display) {
        self.failed += 1;
        self.failure.get_or_insert_with(|| error.to_string());
    }
}
