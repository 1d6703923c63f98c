//! Ages of files.

use std::fs::Metadata;
use std::time::{Duration, SystemTime};

/// Returns how long ago a file was last written; a time in the future counts as now.
pub(crate) fn age(now: SystemTime, metadata: &Metadata) -> Duration {
    metadata
        .modified()
        .ok()
        .and_then(|modified| now.duration_since(modified).ok())
        .unwrap_or_default()
}
