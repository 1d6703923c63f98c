//! Records of programs to come: unknown fields are ignored, newer versions left alone.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{RecordBatch, UInt32Array};
use arrow_schema::{DataType, Field, Schema};
use serde_json::Value as Json;

use super::action_record::{ActionRecord, Producer};
use super::checkpoint::Checkpoint;
use super::lookup::{Lookup, MissReason};
use super::sealed;
use crate::canonical::Value;
use crate::error::StoreError;
use crate::names::{FamilyKey, ItemKey, RunId, StageKey, domain};
use crate::runs::RunLog;
use crate::shards::ShardRecord;
use crate::store::Store;
use crate::verify::VerifyDepth;

/// One record of every kind.
struct Records {
    key: StageKey,
    family: FamilyKey,
    shard: ShardRecord,
    run: RunId,
}

fn action(store: &Store) -> Result<StageKey, StoreError> {
    let preimage = Value::from("pretend");
    let key = StageKey::derive(&preimage)?;
    let mut record = ActionRecord::new(key, store.records().put_preimage(&preimage)?, "pretend", 1);
    record.outputs = BTreeMap::from([("out".to_owned(), store.artifacts().put_json(&7)?)]);
    store.records().publish(record).map(|_| key)
}

fn shard(store: &Store, family: &FamilyKey) -> ShardRecord {
    let schema = Schema::new(vec![Field::new("row", DataType::UInt32, false)]);
    let rows = UInt32Array::from(vec![1, 2]);
    let batch = RecordBatch::try_new(Arc::new(schema), vec![Arc::new(rows)]).unwrap();
    let item = |n: u32| ItemKey::derive(family, &Value::from(n)).unwrap();
    store
        .shards()
        .publish(family, batch, vec![item(1), item(2)], &Producer::default())
        .unwrap()
}

fn checkpoint(store: &Store, key: &StageKey) {
    let checkpoint = Checkpoint {
        step: 4,
        blobs: BTreeMap::new(),
        state: 4.into(),
        keep: false,
    };
    store.records().publish_checkpoint(key, checkpoint).unwrap();
}

fn records(store: &Store) -> Records {
    let key = action(store).unwrap();
    let family = FamilyKey::derive(&Value::from("family")).unwrap();
    let shard = shard(store, &family);
    checkpoint(store, &key);
    let run = RunLog::create(store, "pretend").unwrap().id();
    Records {
        key,
        family,
        shard,
        run,
    }
}

/// The files of the records with their hash domains.
fn files(store: &Store, records: &Records) -> [(PathBuf, &'static str); 4] {
    let layout = store.layout();
    [
        (layout.action(&records.key), domain::ACTION_RECORD),
        (
            layout.shard(&records.family, &records.shard.name()),
            domain::SHARD_RECORD,
        ),
        (layout.checkpoint(&records.key, 4), domain::CHECKPOINT),
        (layout.run_record(&records.run), domain::RUN),
    ]
}

/// Writes a record as another program would.
fn rewrite(path: &Path, domain: &str, change: impl Fn(&mut serde_json::Map<String, Json>)) -> Vec<u8> {
    let mut json: Json = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let fields = json.as_object_mut().unwrap();
    fields.remove("check");
    change(fields);
    let bytes = sealed::seal(domain, &json).unwrap();
    std::fs::remove_file(path).unwrap();
    std::fs::write(path, &bytes).unwrap();
    bytes
}

#[test]
fn fields_of_programs_to_come_are_ignored() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let records = records(&store);
    for (path, domain) in files(&store, &records) {
        rewrite(&path, domain, |fields| {
            fields.insert("novelty".to_owned(), serde_json::json!({"deep": [1, 2.5, null]}));
        });
    }
    let store = Store::open(root.path()).unwrap();
    assert!(matches!(store.records().lookup(&records.key), Lookup::Hit(_)));
    assert_eq!(
        store.shards().of_family(&records.family).unwrap(),
        [records.shard]
    );
    assert_eq!(
        store
            .records()
            .latest_checkpoint(&records.key)
            .unwrap()
            .unwrap()
            .step,
        4
    );
    assert_eq!(store.runs().list().unwrap().len(), 1);
    assert!(store.verify(VerifyDepth::Full).unwrap().is_clean());
}

#[test]
fn records_of_a_newer_version_count_as_absent_and_stay() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let records = records(&store);
    let written = files(&store, &records).map(|(path, domain)| {
        let bytes = rewrite(&path, domain, |fields| {
            fields.insert("v".to_owned(), 2.into());
            fields.insert("outputs".to_owned(), "told otherwise".into());
        });
        (path, bytes)
    });
    let store = Store::open(root.path()).unwrap();
    let looked = store.records().lookup(&records.key);
    let newer = |miss: &MissReason| matches!(miss, MissReason::NewerRecord { version: 2, known: 1 });
    assert!(matches!(&looked, Lookup::Miss(miss) if newer(miss)), "{looked:?}");
    assert_eq!(store.shards().of_family(&records.family).unwrap(), []);
    assert_eq!(store.records().latest_checkpoint(&records.key).unwrap(), None);
    assert!(store.runs().list().unwrap().is_empty());

    // The same work by this program ends, and only the result of a stage cannot be recorded.
    assert_eq!(shard(&store, &records.family).blob, records.shard.blob);
    checkpoint(&store, &records.key);
    let error = action(&store).unwrap_err();
    assert!(
        error.to_string().contains("has version 2, this program knows 1"),
        "{error}"
    );
    assert!(store.verify(VerifyDepth::Full).unwrap().is_clean());
    for (path, bytes) in written {
        assert_eq!(std::fs::read(&path).unwrap(), bytes, "{}", path.display());
    }
}
