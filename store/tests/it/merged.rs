//! Copies of one store that went their own ways and were copied together again.

use std::path::Path;

use mitune_store::{
    ActionRecord, Checkpoint, FamilyKey, ItemKey, Lookup, Published, RunLog, RunStatus, Store, Value,
    VerifyDepth,
};

use crate::sample::{candidates, files, key, preimage, producer, record};

/// What happens to a file that both copies have.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Same {
    /// As `rsync --ignore-existing` does.
    Keep,
    /// As `cp -r` does.
    Overwrite,
}

/// Copies all files of a store into another one, in any order and with no care.
fn copy(from: &Path, to: &Path, same: Same) {
    for path in files(from) {
        let target = to.join(path.strip_prefix(from).unwrap());
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        if target.exists() {
            if same == Same::Keep {
                continue;
            }
            std::fs::remove_file(&target).unwrap();
        }
        std::fs::copy(&path, &target).unwrap();
    }
}

fn shard(store: &Store, first: u32) {
    let family = FamilyKey::derive(&preimage("family")).unwrap();
    let numbers: Vec<u32> = (first..first + 3).collect();
    let item = |n: &u32| ItemKey::derive(&family, &Value::from(*n)).unwrap();
    let items = numbers.iter().map(item).collect();
    store
        .shards()
        .publish(&family, candidates(&numbers), items, &producer())
        .unwrap();
}

fn result(store: &Store, name: &str, value: &str) -> ActionRecord {
    let artifact = store.artifacts().put_json(&(value, vec![0.5; 500])).unwrap();
    store
        .records()
        .publish(record(store, name, [("out", artifact)]))
        .unwrap()
        .into_record()
}

/// One person's week: results of their own, and one that the other person has too, with another value.
fn work(store: &Store, who: &str, first: u32, step: u64) {
    result(store, who, who);
    result(store, "both", who);
    result(store, "equal", "the same");
    shard(store, first);
    let checkpoint = Checkpoint {
        step,
        blobs: [].into(),
        state: who.into(),
        keep: false,
    };
    store
        .records()
        .publish_checkpoint(&key("both"), checkpoint)
        .unwrap();
    let run = RunLog::create(store, who).unwrap();
    run.event("begun", [].into()).unwrap();
    run.finish(RunStatus::Succeeded).unwrap();
}

#[test]
fn diverged_copies_make_a_whole_store_in_any_direction() {
    for same in [Same::Keep, Same::Overwrite] {
        for (from, to) in [("anna", "ben"), ("ben", "anna")] {
            let root = tempfile::tempdir().unwrap();
            let place = |name: &str| root.path().join(name);
            let origin = Store::open(place("origin")).unwrap();
            result(&origin, "origin", "origin");
            shard(&origin, 0);
            for (name, first, step) in [("anna", 2, 7), ("ben", 3, 9)] {
                copy(&place("origin"), &place(name), Same::Keep);
                work(&Store::open(place(name)).unwrap(), name, first, step);
            }
            // A process that has the store open sees what arrives.
            let open = Store::open(place(to)).unwrap();
            assert!(matches!(open.records().lookup(&key("both")), Lookup::Hit(_)));
            copy(&place(from), &place(to), same);

            for store in [&open, &Store::open(place(to)).unwrap()] {
                let report = store.verify(VerifyDepth::Full).unwrap();
                assert!(report.is_clean(), "{same:?} {from} to {to}: {report:?}");
                for name in ["origin", "anna", "ben", "both", "equal"] {
                    match store.records().lookup(&key(name)) {
                        Lookup::Hit(found) => assert_eq!(found.key, key(name)),
                        Lookup::Miss(reason) => panic!("{same:?} {from} to {to}: {name}: {reason}"),
                    }
                }
                let Lookup::Hit(both) = store.records().lookup(&key("both")) else {
                    unreachable!()
                };
                let (winner, _): (String, Vec<f64>) =
                    store.artifacts().read_json(&both.outputs["out"]).unwrap();
                assert_eq!(winner, if same == Same::Keep { to } else { from });
                let family = FamilyKey::derive(&preimage("family")).unwrap();
                assert_eq!(store.shards().of_family(&family).unwrap().len(), 3);
                assert_eq!(store.shards().items(&family).unwrap().len(), 6);
                assert_eq!(
                    store
                        .records()
                        .latest_checkpoint(&key("both"))
                        .unwrap()
                        .unwrap()
                        .step,
                    9
                );
                assert_eq!(store.runs().list().unwrap().len(), 2);
            }
            // Whoever lost adopts the winner from now on.
            let again = open
                .artifacts()
                .put_json(&(if same == Same::Keep { from } else { to }, vec![0.5; 500]))
                .unwrap();
            let published = open
                .records()
                .publish(record(&open, "both", [("out", again)]))
                .unwrap();
            assert!(matches!(published, Published::Adopted(_)));
            assert!(!place(to).join("quarantine").exists());
        }
    }
}
