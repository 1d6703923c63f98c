//! A clock that moved by an hour, back or forth, changes no result.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, SystemTime};

use mitune_store::{Checkpoint, FamilyKey, Lookup, Published, Store, Timestamp, VerifyDepth};

use crate::corruption::{publish, publish_shard};
use crate::sample::{files, key, preimage, record};

const HOUR: Duration = Duration::from_secs(3600);

fn touch(root: &Path, time: SystemTime) {
    for path in files(root) {
        File::open(path).unwrap().set_modified(time).unwrap();
    }
}

#[test]
fn times_of_files_an_hour_off_are_no_reason_to_doubt_them() {
    let root = tempfile::tempdir().unwrap();
    let first = publish(&Store::open(root.path()).unwrap()).into_record();
    let family = FamilyKey::derive(&preimage("family")).unwrap();
    let open = Store::open(root.path()).unwrap();
    for time in [
        SystemTime::now() + HOUR,
        SystemTime::now() - HOUR,
        SystemTime::UNIX_EPOCH,
    ] {
        touch(root.path(), time);
        for store in [&open, &Store::open(root.path()).unwrap()] {
            match store.records().lookup(&key("all")) {
                Lookup::Hit(record) => assert_eq!(*record, first),
                Lookup::Miss(reason) => panic!("{reason}"),
            }
            assert_eq!(
                publish_shard(store, &family),
                store.shards().of_family(&family).unwrap()[0]
            );
            assert!(matches!(publish(store), Published::Adopted(_)));
            assert!(store.verify(VerifyDepth::Full).unwrap().is_clean());
        }
    }
    assert!(files(&root.path().join("quarantine")).is_empty());
}

#[test]
fn records_of_an_hour_ago_and_of_an_hour_to_come_stand_side_by_side() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let now = Timestamp::now().0;
    for (name, time) in [("past", now - 3_600_000), ("future", now + 3_600_000)] {
        let artifact = store.artifacts().put_json(name).unwrap();
        let mut dated = record(&store, name, [("out", artifact)]);
        // A clock set back in the middle: the end comes before the beginning.
        (dated.started, dated.ended) = (Timestamp(now), Timestamp(time));
        store.records().publish(dated).unwrap();
        // The same work by the right clock adopts it.
        let artifact = store.artifacts().put_json(name).unwrap();
        let again = store
            .records()
            .publish(record(&store, name, [("out", artifact)]))
            .unwrap();
        assert_eq!(again.into_record().ended, Timestamp(time));
    }
    // Checkpoints are told apart by their steps alone.
    for (step, time) in [(2_u64, SystemTime::now() - HOUR), (1, SystemTime::now() + HOUR)] {
        let checkpoint = Checkpoint {
            step,
            blobs: [].into(),
            state: step.into(),
            keep: false,
        };
        store
            .records()
            .publish_checkpoint(&key("past"), checkpoint)
            .unwrap();
        let newest = root.path().join("checkpoints");
        touch(&newest, time);
    }
    assert_eq!(
        store
            .records()
            .latest_checkpoint(&key("past"))
            .unwrap()
            .unwrap()
            .step,
        2
    );
    let listed: Vec<_> = store
        .catalog()
        .artifacts()
        .unwrap()
        .into_iter()
        .map(|listed| listed.created)
        .collect();
    assert_eq!(listed, [Timestamp(now + 3_600_000), Timestamp(now - 3_600_000)]);
    assert!(store.verify(VerifyDepth::Full).unwrap().is_clean());
}
