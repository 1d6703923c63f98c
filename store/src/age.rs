//! Ages of files, by the clock of the file system that holds them.

use std::fs::Metadata;
use std::time::{Duration, SystemTime};

use crate::store::Store;

/// Returns how long ago a file was last written; a time in the future counts as now.
pub(crate) fn age(now: SystemTime, metadata: &Metadata) -> Duration {
    metadata
        .modified()
        .ok()
        .and_then(|modified| now.duration_since(modified).ok())
        .unwrap_or_default()
}

impl Store {
    /// Reads the clock of the file system from a file made for it, so that clocks of hosts need not agree.
    ///
    /// Where no file can be made, as in a read-only store, the clock of this host has to do.
    pub(crate) fn clock(&self) -> SystemTime {
        let read = || {
            let staged = self.stage(None).ok()?;
            self.files().metadata(staged.path()).ok()?.modified().ok()
        };
        read().unwrap_or_else(SystemTime::now)
    }
}
