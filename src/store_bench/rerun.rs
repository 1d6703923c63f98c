//! Running a stage of many shards again, when nothing is left to do.

use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float32Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use mitune_store::{
    ActionRecord, FamilyKey, FileDigest, ItemKey, Lookup, Part, Producer, ShardRecord, StageKey, Store, Value,
};

use super::error::StoreBenchError;
use super::marks::{Mark, Measurement};
use super::stopwatch::time;

const ROWS: u32 = 8;
const THREADS: u32 = 16;

/// Measures what a run does for a stage that is finished: open the store, look the result up, and list the items.
pub(super) fn measure(folder: &Path, shards: u32) -> Result<Vec<Measurement>, StoreBenchError> {
    let folder = folder.join("store");
    let family = family()?;
    let key = fill(&folder, &family, shards)?;
    let (found, lookup) = time(|| Ok(Store::open(&folder)?.records().lookup(&key)))?;
    if !matches!(found, Lookup::Hit(_)) {
        return Err(StoreBenchError::Wrong("the stage was not found".to_owned()));
    }
    let (items, list) = time(|| Ok(Store::open(&folder)?.shards().items(&family)?.len()))?;
    if items != (shards * ROWS) as usize {
        return Err(StoreBenchError::Wrong(format!("{items} items were found")));
    }
    let row = |work: &str, seconds| {
        Measurement::new(format!("{work} {shards} shards"), seconds, "seconds").mark(Mark::AtMost(1.0))
    };
    Ok(vec![
        row("find a finished stage of", lookup),
        row("find the items of", list),
    ])
}

fn family() -> Result<FamilyKey, StoreBenchError> {
    FamilyKey::derive(&Value::from("bench")).map_err(|error| StoreBenchError::Store(error.into()))
}

/// Publishes the shards from several threads, whose syncs the disk joins, and the record of the whole.
fn fill(folder: &Path, family: &FamilyKey, shards: u32) -> Result<StageKey, StoreBenchError> {
    let store = Store::open(folder)?;
    let parts = std::thread::scope(|scope| {
        let work = |thread| {
            let store = &store;
            move || {
                let numbers = (thread..shards).step_by(THREADS as usize);
                numbers
                    .map(|number| publish(store, family, number))
                    .collect::<Result<Vec<_>, _>>()
            }
        };
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(work(thread))).collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, Result<Vec<ShardRecord>, StoreBenchError>>| {
            let died = |_| StoreBenchError::Wrong("a writer died".to_owned());
            thread.join().map_err(died)?
        };
        threads.into_iter().map(join).collect::<Result<Vec<_>, _>>()
    })?;
    let records: Vec<ShardRecord> = parts.into_iter().flatten().collect();
    let rows: Vec<_> = records
        .iter()
        .flat_map(|record| &record.items)
        .map(|item| item.row)
        .collect();
    let part = |record: &ShardRecord| Part {
        blob: record.blob,
        rows: (0..record.rows).collect(),
    };
    let parts: Vec<Part> = records.iter().map(part).collect();
    let artifact = store.artifacts().put_parts(&schema(), &parts, &rows)?;
    let preimage = Value::from("a stage of many shards");
    let key = StageKey::derive(&preimage).map_err(|error| StoreBenchError::Store(error.into()))?;
    let mut record = ActionRecord::new(key, FileDigest::of(&[]), "generate", 1);
    record.preimage = store.records().put_preimage(&preimage)?;
    record.outputs = [("candidates".to_owned(), artifact)].into();
    store.records().publish(record)?;
    Ok(key)
}

fn publish(store: &Store, family: &FamilyKey, number: u32) -> Result<ShardRecord, StoreBenchError> {
    let rows = number * ROWS..(number + 1) * ROWS;
    let items: Result<Vec<ItemKey>, _> = rows
        .clone()
        .map(|row| ItemKey::derive(family, &row.into()))
        .collect();
    let items = items.map_err(|error| StoreBenchError::Store(error.into()))?;
    let column: ArrayRef = Arc::new(Float32Array::from_iter_values(rows.map(|row| row as f32)));
    let batch = RecordBatch::try_new(schema(), vec![column])
        .map_err(|error| StoreBenchError::Wrong(error.to_string()))?;
    Ok(store
        .shards()
        .publish(family, batch, items, &Producer::default())?)
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("mi", DataType::Float32, false)]))
}
