//! Queries give the same answers with every index.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray};

use super::*;
use crate::canonical::Value;
use crate::files::FileIdentity;
use crate::index::IndexChoice;
use crate::names::StageKey;
use crate::open_options::OpenOptions;
use crate::records::ActionRecord;
use crate::runs::RunLog;
use crate::store::Store;

fn publish(store: &Store, number: u64, stage: &str, prompts: &[&str]) -> StageKey {
    let preimage = Value::map([("number", Value::from(number)), ("stage", Value::from(stage))]);
    let key = StageKey::derive(&preimage).unwrap();
    let column: ArrayRef = Arc::new(StringArray::from(prompts.to_vec()));
    let batch = RecordBatch::try_from_iter([("prompt", column)]).unwrap();
    let mut record = ActionRecord::new(key, store.records().put_preimage(&preimage).unwrap(), stage, 1);
    record.outputs.insert(
        "table".into(),
        store.artifacts().put_table(&batch.schema(), [batch]).unwrap(),
    );
    record
        .outputs
        .insert("json".into(), store.artifacts().put_json(&number).unwrap());
    record
        .metrics
        .insert("loss".into(), (number as f64 / 10.0).into());
    record.metrics.insert("headline".into(), "fine".into());
    if number.is_multiple_of(7) {
        // Too long for the index.
        record
            .metrics
            .extend((0..50).map(|n| (format!("metric {n}"), n.into())));
    }
    store.records().publish(record).unwrap();
    key
}

fn run(store: &Store, pipeline: &str, tags: &[&str], keys: &[StageKey]) {
    let log = RunLog::create(store, pipeline).unwrap();
    log.update(|record| {
        record.details.insert("tags".into(), tags.into());
        record.stages = keys.iter().map(|key| (key.short(), *key)).collect();
    })
    .unwrap();
}

fn queries() -> Vec<Query> {
    let metrics = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
    let some = |text: &str| Some(text.to_owned());
    vec![
        Query::default(),
        Query {
            stage: some("generate"),
            ..Query::default()
        },
        Query {
            stage: some("nothing"),
            ..Query::default()
        },
        Query {
            metrics: metrics(&["loss>0.5"]),
            ..Query::default()
        },
        Query {
            metrics: metrics(&["loss>=0.5", "loss<1"]),
            ..Query::default()
        },
        Query {
            metrics: metrics(&["metric 3=3"]),
            ..Query::default()
        },
        Query {
            metrics: metrics(&["headline=1"]),
            ..Query::default()
        },
        Query {
            pipeline: some("first"),
            ..Query::default()
        },
        Query {
            tag: some("best"),
            ..Query::default()
        },
        Query {
            tag: some("best"),
            pipeline: some("first"),
            stage: some("generate"),
            ..Query::default()
        },
        Query {
            tag: some("best"),
            pipeline: some("second"),
            stage: some("generate"),
            ..Query::default()
        },
        Query {
            prompt: some("a red circle"),
            ..Query::default()
        },
        Query {
            prompt: some("a red"),
            ..Query::default()
        },
        Query {
            prompt: some("a red circle"),
            metrics: metrics(&["loss>0.5"]),
            ..Query::default()
        },
    ]
}

fn counts(store: &Store) -> Vec<usize> {
    queries()
        .iter()
        .map(|query| store.catalog().query(query).unwrap().len())
        .collect()
}

#[test]
fn answers_do_not_depend_on_the_index() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("store");
    let cache = root.path().join("cache");
    let open = |index: IndexChoice| Store::open_with(&path, OpenOptions::default().index(index)).unwrap();
    let sled = || IndexChoice::Sled(cache.clone());
    let none = open(IndexChoice::None);
    // Some records the index sees being published, some come from elsewhere.
    let own = open(sled());
    let mut keys = Vec::new();
    for number in 0..15 {
        let store = if number % 3 == 0 { &none } else { &own };
        let stage = if number % 2 == 0 { "generate" } else { "score" };
        let prompts: &[&str] = if number % 5 == 0 {
            &["a red circle", "a dog"]
        } else {
            &["a dog"]
        };
        keys.push(publish(store, number, stage, prompts));
    }
    run(&none, "first", &[], &keys[..6]);
    run(&none, "second", &["best", "late"], &keys[4..9]);
    let expected = counts(&none);
    // Two artifacts for each of 15 records, but one where a prompt is asked for.
    assert_eq!(expected, [30, 16, 0, 18, 10, 6, 0, 12, 10, 0, 6, 3, 0, 1]);
    assert_eq!(counts(&own), expected);
    assert_eq!(
        counts(&own),
        expected,
        "with what the first round of queries learned"
    );
    assert_eq!(counts(&open(IndexChoice::Memory)), expected);
    assert_eq!(own.catalog().reindex().unwrap(), Some(15));
    assert_eq!(counts(&own), expected);
    assert_eq!(none.catalog().reindex().unwrap(), None);

    // The record of a key is replaced by somebody who knows nothing of this index.
    let path = none.layout().action(&keys[6]);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(own.catalog().query(&queries()[0]).unwrap().len(), 28);
    assert_eq!(own.catalog().query(&queries()[3]).unwrap().len(), 16);
    // Another file in between, so that the new one is not given the same inode.
    std::fs::write(root.path().join("other"), "x").unwrap();
    publish(&none, 6, "generate", &["a dog"]);
    for store in [&none, &own] {
        assert_eq!(counts(store), expected);
    }
}

#[test]
fn what_one_process_verified_the_next_need_not_hash() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("store");
    let open = || {
        let index = IndexChoice::Sled(root.path().join("cache"));
        Store::open_with(&path, OpenOptions::default().index(index)).unwrap()
    };
    let first = open();
    let blob = first.blobs().put_bytes(b"a red circle").unwrap();
    let file = first.layout().blob(&blob);
    let identity = || FileIdentity::of(&file.symlink_metadata().unwrap());
    first.blobs().read(&blob).unwrap();
    drop(first);
    // A file that changed a moment ago is not remembered.
    let second = open();
    second.index().wait();
    assert!(!second.verified().contains(&blob, &identity()));
    std::thread::sleep(std::time::Duration::from_millis(3100));
    second.blobs().read(&blob).unwrap();
    drop(second);
    let third = open();
    third.index().wait();
    assert!(third.verified().contains(&blob, &identity()));
    // The same bytes in another file are looked at again.
    let bytes = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    std::fs::write(&file, bytes).unwrap();
    assert!(!third.verified().contains(&blob, &identity()));
}
