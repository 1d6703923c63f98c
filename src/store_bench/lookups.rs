//! Finding results among a hundred thousand, from their files alone.

use std::path::Path;

use mitune_store::{Lookup, Store};

use super::crowd::{fill, key};
use super::error::StoreBenchError;
use super::marks::{Mark, Measurement};
use super::stopwatch::{median, time};

/// Lookups that are timed, spread over the store.
const COUNT: u32 = 20_000;

/// Measures the median time of a lookup that also hashes the result.
pub(super) fn measure(folder: &Path, records: u32) -> Result<Vec<Measurement>, StoreBenchError> {
    let folder = folder.join("store");
    fill(&folder, records)?;
    // Another handle, as another process has: nothing counts as verified.
    let store = Store::open(&folder)?;
    let mut times = Vec::new();
    for number in 0..COUNT.min(records) {
        // A multiplicative sequence jumps from directory to directory.
        let key = key((u64::from(number) * 7_919 % u64::from(records)) as u32)?;
        let (found, seconds) = time(|| Ok(store.records().lookup(&key)))?;
        if !matches!(found, Lookup::Hit(_)) {
            return Err(StoreBenchError::Wrong(format!("{} was not found", key.short())));
        }
        times.push(seconds * 1e6);
    }
    let work = format!("lookup among {records} records, without an index");
    let row = Measurement::new(work, median(&mut times), "microseconds");
    Ok(vec![row.mark(Mark::AtMost(50.0))])
}
