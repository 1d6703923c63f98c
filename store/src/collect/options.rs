//! What a collection keeps.

use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// What a collection keeps; everything is kept that one of the rules asks for.
#[derive(Debug, Clone)]
pub struct CollectOptions {
    /// Newest runs kept per user and pipeline, whatever their age; by default 5.
    pub keep_runs: usize,
    /// Runs, and records of stages, shards and checkpoints, stay this long after they were last written; by default 30
    /// days.
    pub older_than: Duration,
    /// Blobs that no record names stay this long after they were last written or relied on; by default 7 days.
    ///
    /// It must be longer than any writer takes from its first blob to the record that names it.
    pub grace: Duration,
    /// What is collected stays in the trash for this long before it is removed for good; by default 24 hours.
    pub trash: Duration,
    /// Damaged files in `quarantine/` and superseded records in `divergent/` stay this long; by default 30 days.
    pub aside: Duration,
    /// Files that a dead process left in `tmp/` stay this long; by default 7 days, or one day if it certainly is dead.
    pub staging: Duration,
    /// Oldest runs are given up until what is reached takes no more bytes than this; by default there is no limit.
    ///
    /// Pins, leases and whatever is younger than the grace stay, so the store may remain larger.
    pub max_bytes: Option<u64>,
    /// Only the last rounds of each run keep their results; by default all do.
    pub keep_rounds: Option<KeepRounds>,
    /// Only stages that no other stage of the run reads keep their results; by default all do.
    ///
    /// The records of the others stay, and their results are computed again when something needs them.
    pub drop_intermediates: bool,
}

/// Which rounds of a run keep their results.
#[derive(Debug, Clone, Copy)]
pub struct KeepRounds {
    /// Rounds that keep them, counted from the last one.
    pub newest: u32,
    /// Tells the round of a stage from its name, `None` for a stage outside of rounds, which keeps its results.
    pub round_of: fn(&str) -> Option<u32>,
}

impl Default for CollectOptions {
    fn default() -> Self {
        Self {
            keep_runs: 5,
            older_than: 30 * DAY,
            grace: 7 * DAY,
            trash: DAY,
            aside: 30 * DAY,
            staging: 7 * DAY,
            max_bytes: None,
            keep_rounds: None,
            drop_intermediates: false,
        }
    }
}
