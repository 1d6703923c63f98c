//! Ten thousand small blobs, together and one by one.

use std::path::Path;

use mitune_store::Store;

use super::error::StoreBenchError;
use super::marks::{Mark, Measurement};
use super::random_bytes::random_bytes;
use super::stopwatch::time;

const SIZE: usize = 1024;
const TOGETHER: u64 = 10_000;

/// One by one, each blob costs the same: fewer say as much.
const ONE_BY_ONE: u64 = 1_000;

/// Measures blobs per second.
pub(super) fn measure(folder: &Path) -> Result<Vec<Measurement>, StoreBenchError> {
    let store = Store::open(folder.join("store"))?;
    let one_by_one = time(|| {
        for number in 0..ONE_BY_ONE {
            store.blobs().put_bytes(&random_bytes(1, number, SIZE))?;
        }
        Ok(())
    })?;
    let together = time(|| {
        let mut batch = store.records().batch();
        for number in 0..TOGETHER {
            batch.put_bytes(&random_bytes(2, number, SIZE))?;
        }
        Ok(batch.commit()?)
    })?;
    let rate = |count: u64, seconds: f64| count as f64 / seconds;
    let row = Measurement::new(
        "batch of 10,000 blobs of 1 KiB",
        rate(TOGETHER, together.1),
        "blobs/s",
    );
    let row = row.against("one by one", rate(ONE_BY_ONE, one_by_one.1));
    Ok(vec![row.mark(Mark::Ratio(20.0))])
}
