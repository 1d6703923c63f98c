//! How fast a store is, next to what the machine can do at all.
//!
//! Every time is measured beside its peer in the same run and told as a ratio, because the seconds say more about the
//! disk than about the store.

mod crowd;
mod error;
mod large_files;
mod lookups;
mod marks;
mod random_bytes;
mod rerun;
mod scale;
mod small_files;
mod stopwatch;

use std::path::{Path, PathBuf};

use mitune_stages::contract::Progress;
use serde::Serialize;

pub(crate) use self::error::StoreBenchError;
pub(crate) use self::marks::Measurement;
pub(crate) use self::scale::Part;

/// What to measure.
#[derive(Clone, Debug)]
pub(crate) struct StoreBench {
    /// A folder on the disk to measure, in which everything is made and removed again.
    pub(crate) folder: PathBuf,
    /// Records of the large store.
    pub(crate) records: u32,
    /// Shards of the stage that is run again.
    pub(crate) shards: u32,
    /// Records of the store for lookups.
    pub(crate) lookups: u32,
}

/// What was measured.
#[derive(Debug, Serialize)]
pub(crate) struct StoreBenchReport {
    /// Version of this program.
    pub(crate) version: &'static str,
    /// One entry per piece of work.
    pub(crate) measurements: Vec<Measurement>,
}

impl StoreBench {
    /// Measures everything, the slowest last.
    ///
    /// # Errors
    /// [`StoreBenchError`] if the folder cannot be written or the program cannot be started again.
    pub(crate) fn measure(&self, progress: &dyn Progress) -> Result<StoreBenchReport, StoreBenchError> {
        let mut measurements = Vec::new();
        let steps: [(&str, &Measure<'_>); 5] = [
            ("large files", &large_files::measure),
            ("small files", &small_files::measure),
            ("lookups", &|folder| lookups::measure(folder, self.lookups)),
            ("shards", &|folder| rerun::measure(folder, self.shards)),
            ("records", &|folder| scale::measure(folder, self.records)),
        ];
        for (name, step) in steps {
            progress.message(name);
            let folder = scratch(&self.folder).map_err(|source| StoreBenchError::at(&self.folder, source))?;
            let found = step(folder.path())?;
            for Measurement {
                work, value, unit, ..
            } in &found
            {
                // Removing a large store takes minutes, which nobody should wait for.
                progress.message(&format!("{work}: {value:.3} {unit}"));
            }
            measurements.extend(found);
        }
        Ok(StoreBenchReport {
            version: env!("CARGO_PKG_VERSION"),
            measurements,
        })
    }
}

/// One piece of the measurement, in a folder of its own.
type Measure<'a> = dyn Fn(&Path) -> Result<Vec<Measurement>, StoreBenchError> + 'a;

/// A folder of its own, which is removed with everything in it; one that cannot be has a name that says what it is.
fn scratch(parent: &Path) -> std::io::Result<tempfile::TempDir> {
    std::fs::create_dir_all(parent)?;
    tempfile::Builder::new()
        .prefix("mitune-bench-")
        .tempdir_in(parent)
}
