//! Every kind of file, damaged in every way: a miss, set aside, computed again.

use std::path::{Path, PathBuf};

use mitune_store::{
    ActionRecord, Artifact, Checkpoint, DirectoryEntry, FamilyKey, FileDigest, ItemKey, Lookup, MissReason,
    Part, Published, RunLog, Store, StoreError, Value, VerifyDepth,
};

use crate::sample::{DAMAGES, candidate_schema, candidates, damage, files, key, preimage, producer, record};

pub(crate) fn blob(root: &Path, file: &FileDigest) -> PathBuf {
    let name = file.to_string();
    root.join("blobs").join(&name[..2]).join(name)
}

/// Publishes one result with outputs of every kind.
pub(crate) fn publish(store: &Store) -> Published {
    let family = FamilyKey::derive(&preimage("family")).unwrap();
    let shard = publish_shard(store, &family);
    let rows: Vec<_> = shard.items.iter().map(|item| item.row).collect();
    let parts = [Part {
        blob: shard.blob,
        rows: vec![0, 1, 2],
    }];
    let files = [(
        "a/b.txt".to_owned(),
        DirectoryEntry::Bytes(b"some text".repeat(9)),
    )];
    let outputs = [
        ("json", store.artifacts().put_json(&vec![1.5; 20]).unwrap()),
        (
            "table",
            store
                .artifacts()
                .put_table(&candidate_schema(), [candidates(&[8, 9])])
                .unwrap(),
        ),
        (
            "parts",
            store
                .artifacts()
                .put_parts(&candidate_schema(), &parts, &rows)
                .unwrap(),
        ),
        ("directory", store.artifacts().put_directory(&files).unwrap()),
    ];
    store.records().publish(record(store, "all", outputs)).unwrap()
}

pub(crate) fn publish_shard(store: &Store, family: &FamilyKey) -> mitune_store::ShardRecord {
    let items = (0..3_u32)
        .map(|n| ItemKey::derive(family, &Value::from(n)).unwrap())
        .collect();
    store
        .shards()
        .publish(family, candidates(&[1, 2, 3]), items, &producer())
        .unwrap()
}

/// Lists every blob a result consists of.
fn result_blobs(store: &Store, record: &ActionRecord) -> Vec<FileDigest> {
    let whole = |artifact: &Artifact| {
        let members = store
            .artifacts()
            .members(artifact)
            .unwrap()
            .into_iter()
            .map(|(file, _)| file);
        members.chain([artifact.file]).collect::<Vec<_>>()
    };
    record.outputs.values().flat_map(whole).collect()
}

#[test]
fn a_damaged_description_is_written_again_and_a_damaged_run_left_out() {
    for how in DAMAGES {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        publish(&store);
        let kept = RunLog::create(&store, "kept").unwrap();
        let lost = RunLog::create(&store, "lost").unwrap();
        lost.event("begun", [].into()).unwrap();
        damage(&root.path().join(format!("runs/{}/run.json", lost.id())), how);
        let format = root.path().join("FORMAT");
        if matches!(how, crate::sample::Damage::Flip) {
            std::fs::write(&format, "{\"format\":1").unwrap();
        } else {
            damage(&format, how);
        }

        let error = Store::open_or_empty(root.path()).unwrap_err();
        assert!(
            error.to_string().contains("FORMAT` is not a store description"),
            "{error}"
        );
        let store = Store::open(root.path()).unwrap();
        assert!(
            matches!(store.records().lookup(&key("all")), Lookup::Hit(_)),
            "{how:?}"
        );
        let report = store.verify(VerifyDepth::Full).unwrap();
        assert_eq!(report.corrupt.len(), 1, "{report:?}");
        assert_eq!(report.corrupt[0].what, format!("Run `{}`", lost.id()));
        let runs: Vec<_> = store
            .runs()
            .list()
            .unwrap()
            .into_iter()
            .map(|run| run.id)
            .collect();
        assert_eq!(runs, [kept.id()], "{how:?}");
        assert_eq!(
            files(&root.path().join("quarantine")).len(),
            2,
            "the damaged description and the damaged run"
        );

        // A directory that only a newer program knows says that its description must not be guessed.
        damage(&format, crate::sample::Damage::Empty);
        std::fs::create_dir(root.path().join("novelties")).unwrap();
        let error = Store::open(root.path()).unwrap_err();
        assert!(error.to_string().contains("`novelties`"), "{error}");
    }
}

#[test]
fn a_damaged_blob_of_a_result_is_a_miss_and_can_be_computed_again() {
    let count = {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let record = publish(&store).into_record();
        result_blobs(&store, &record).len()
    };
    assert_eq!(
        count, 7,
        "json, table, parts with schema and shard, directory with file"
    );
    for index in 0..count {
        for how in DAMAGES {
            let root = tempfile::tempdir().unwrap();
            let store = Store::open(root.path()).unwrap();
            let first = publish(&store).into_record();
            let file = result_blobs(&store, &first)[index];
            damage(&blob(root.path(), &file), how);

            for store in [&store, &Store::open(root.path()).unwrap()] {
                match store.records().lookup(&key("all")) {
                    Lookup::Miss(MissReason::Corrupt { .. } | MissReason::MissingBlob { .. }) => {}
                    other => panic!("{how:?} of blob {index}: {other:?}"),
                }
            }
            assert_eq!(
                files(&root.path().join("quarantine")).len(),
                1,
                "{how:?} of blob {index}"
            );
            assert!(!blob(root.path(), &file).exists());

            let again = publish(&Store::open(root.path()).unwrap()).into_record();
            assert_eq!(again.outputs, first.outputs);
            let store = Store::open(root.path()).unwrap();
            assert!(
                matches!(store.records().lookup(&key("all")), Lookup::Hit(_)),
                "{how:?} of blob {index}"
            );
            assert!(store.verify(VerifyDepth::Full).unwrap().is_clean());
        }
    }
}

#[test]
fn publishing_replaces_damaged_blobs_nobody_looked_up() {
    for how in DAMAGES {
        let root = tempfile::tempdir().unwrap();
        let first = publish(&Store::open(root.path()).unwrap()).into_record();
        for file in files(&root.path().join("blobs")) {
            damage(&file, how);
        }
        let store = Store::open(root.path()).unwrap();
        assert_eq!(publish(&store).into_record().outputs, first.outputs);
        let report = store.verify(VerifyDepth::Full).unwrap();
        assert!(report.is_clean(), "{how:?}: {report:?}");
    }
}

#[test]
fn a_damaged_record_is_a_miss_and_can_be_published_again() {
    for how in DAMAGES {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        publish(&store);
        damage(&files(&root.path().join("actions"))[0], how);
        let lookup = store.records().lookup(&key("all"));
        assert!(
            matches!(&lookup, Lookup::Miss(MissReason::Corrupt { .. })),
            "{how:?}: {lookup:?}"
        );
        assert_eq!(files(&root.path().join("quarantine")).len(), 1);
        assert!(matches!(
            store.records().lookup(&key("all")),
            Lookup::Miss(MissReason::NotRecorded)
        ));
        assert!(matches!(publish(&store), Published::Won(_)));
        assert!(matches!(store.records().lookup(&key("all")), Lookup::Hit(_)));
    }
}

#[test]
fn a_record_under_another_name_is_no_result() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    publish(&store);
    let path = files(&root.path().join("actions")).remove(0);
    let other = key("other").to_string();
    let stolen = root
        .path()
        .join("actions")
        .join(&other[..2])
        .join(format!("{other}.json"));
    std::fs::create_dir_all(stolen.parent().unwrap()).unwrap();
    std::fs::copy(path, &stolen).unwrap();
    assert!(matches!(
        store.records().lookup(&key("other")),
        Lookup::Miss(MissReason::Corrupt { .. })
    ));
    assert!(!stolen.exists());
}

#[test]
fn a_damaged_shard_is_skipped_and_can_be_published_again() {
    for part in ["shards", "blobs"] {
        for how in DAMAGES {
            let root = tempfile::tempdir().unwrap();
            let store = Store::open(root.path()).unwrap();
            let family = FamilyKey::derive(&preimage("family")).unwrap();
            let kept = ItemKey::derive(&family, &"kept".into()).unwrap();
            let other = store
                .shards()
                .publish(&family, candidates(&[50]), vec![kept], &producer())
                .unwrap();
            let shard = publish_shard(&store, &family);
            let target = match part {
                "blobs" => blob(root.path(), &shard.blob),
                _ => files(&root.path().join("shards"))
                    .into_iter()
                    .find(|path| path.to_str().unwrap().contains(&shard.name().to_string()))
                    .unwrap(),
            };
            damage(&target, how);
            assert_eq!(
                store.shards().of_family(&family).unwrap(),
                std::slice::from_ref(&other),
                "{how:?} of {part}"
            );
            assert!(!files(&root.path().join("quarantine")).is_empty());
            assert_eq!(store.shards().items(&family).unwrap().len(), 1);

            let again = publish_shard(&store, &family);
            assert_eq!(again.items, shard.items);
            assert_eq!(
                store.shards().of_family(&family).unwrap(),
                [other, again],
                "{how:?} of {part}"
            );
            assert!(store.verify(VerifyDepth::Full).unwrap().is_clean());
        }
    }
}

#[test]
fn a_damaged_checkpoint_falls_back_to_the_one_before() {
    for part in ["checkpoints", "blobs"] {
        for how in DAMAGES {
            let root = tempfile::tempdir().unwrap();
            let store = Store::open(root.path()).unwrap();
            let checkpoint = |step: u64| {
                let blobs = [(
                    "weights".to_owned(),
                    store.blobs().put_bytes(&[step as u8; 999]).unwrap(),
                )]
                .into();
                Checkpoint {
                    step,
                    blobs,
                    state: serde_json::json!({"epoch": step / 2}),
                    keep: false,
                }
            };
            for step in [10, 20] {
                store
                    .records()
                    .publish_checkpoint(&key("tune"), checkpoint(step))
                    .unwrap();
            }
            assert_eq!(
                store.records().latest_checkpoint(&key("tune")).unwrap(),
                Some(checkpoint(20))
            );
            let target = match part {
                "blobs" => blob(root.path(), &checkpoint(20).blobs["weights"]),
                _ => files(&root.path().join("checkpoints")).remove(1),
            };
            damage(&target, how);
            assert_eq!(
                store
                    .records()
                    .latest_checkpoint(&key("tune"))
                    .unwrap()
                    .unwrap()
                    .step,
                10,
                "{how:?} of {part}"
            );
            assert!(!files(&root.path().join("quarantine")).is_empty());
            store
                .records()
                .publish_checkpoint(&key("tune"), checkpoint(20))
                .unwrap();
            assert_eq!(
                store.records().latest_checkpoint(&key("tune")).unwrap(),
                Some(checkpoint(20))
            );
        }
    }
}

#[test]
fn a_link_in_place_of_a_blob_is_damage() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let file = store.blobs().put_bytes(b"text").unwrap();
    let path = blob(root.path(), &file);
    let outside = root.path().join("tmp/outside");
    std::fs::write(&outside, b"text").unwrap();
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink(&outside, &path).unwrap();
    assert!(matches!(
        store.blobs().read(&file),
        Err(StoreError::CorruptBlob { .. })
    ));
    assert_eq!(store.blobs().put_bytes(b"text").unwrap(), file);
    assert!(path.symlink_metadata().unwrap().is_file());
    assert_eq!(std::fs::read(&outside).unwrap(), b"text");
}
