//! Something else under the name of a folder: writers set it aside, readers find nothing there.

use std::path::Path;

use mitune_store::{
    Checkpoint, Claim, CollectOptions, FamilyKey, LeaseKey, Lookup, PinTarget, RunLog, Store, VerifyDepth,
};

use crate::corruption::{blob, publish, publish_shard};
use crate::sample::{self, Damage, damage, files, key, preimage};

/// Makes something that is no folder.
type Obstacle = fn(&Path);

const OBSTACLES: [(&str, Obstacle); 3] = [
    ("a file", |path| std::fs::write(path, "x").unwrap()),
    ("a pipe", |path| {
        let made = std::process::Command::new("mkfifo").arg(path).status();
        assert!(made.unwrap().success());
    }),
    ("a link to itself", |path| {
        std::os::unix::fs::symlink(path.file_name().unwrap(), path).unwrap();
    }),
];

fn put(store: &Store, folder: &str, obstacle: Obstacle) {
    let path = store.root().join(folder);
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    obstacle(&path);
}

/// Writes a file of every kind.
fn write_all(store: &Store) {
    publish(store);
    publish_shard(store, &FamilyKey::derive(&preimage("family")).unwrap());
    let checkpoint = Checkpoint {
        step: 3,
        blobs: [("weights".to_owned(), store.blobs().put_bytes(b"weights").unwrap())].into(),
        state: serde_json::json!({}),
        keep: false,
    };
    store
        .records()
        .publish_checkpoint(&key("tune"), checkpoint)
        .unwrap();
    RunLog::create(store, "tiny")
        .unwrap()
        .event("begun", [].into())
        .unwrap();
    let target = PinTarget::Stage(key("all"));
    store
        .pins()
        .pin("kept".parse().unwrap(), target, "me", None)
        .unwrap();
}

#[test]
fn writers_set_aside_what_has_the_name_of_a_folder() {
    let fan = |folder: &str, name: &str| format!("{folder}/{}", &key(name).to_string()[..2]);
    let folders = [
        "blobs".to_owned(),
        "actions".to_owned(),
        fan("actions", "all"),
        "shards".to_owned(),
        "checkpoints".to_owned(),
        fan("checkpoints", "tune"),
        "runs".to_owned(),
        "roots".to_owned(),
        "roots/pins".to_owned(),
        "tmp".to_owned(),
    ];
    for folder in folders {
        for (what, obstacle) in OBSTACLES {
            let root = tempfile::tempdir().unwrap();
            let store = Store::open(root.path()).unwrap();
            put(&store, &folder, obstacle);
            // Whoever only looks finds nothing.
            assert!(matches!(store.records().lookup(&key("all")), Lookup::Miss(_)));
            assert_eq!(store.catalog().actions().unwrap().count(), 0, "{folder}: {what}");
            assert!(store.runs().list().unwrap().is_empty(), "{folder}: {what}");
            assert_eq!(store.records().latest_checkpoint(&key("tune")).unwrap(), None);

            write_all(&store);
            assert!(root.path().join(&folder).is_dir(), "{folder}: {what}");
            assert!(matches!(store.records().lookup(&key("all")), Lookup::Hit(_)));
            let aside = files(&root.path().join("quarantine"));
            assert_eq!(aside.len(), 1, "{folder}: {what}: {aside:?}");
            assert!(aside[0].to_str().unwrap().contains("/folder."), "{aside:?}");
            let report = store.verify(VerifyDepth::Full).unwrap();
            assert!(report.is_clean(), "{folder}: {what}: {report:?}");
            store.collect(&CollectOptions::default()).unwrap();
        }
    }
}

#[test]
fn damage_is_set_aside_although_something_has_the_name_of_the_folder_for_it() {
    for (folder, damaged) in [("quarantine", true), ("divergent", false)] {
        for (what, obstacle) in OBSTACLES {
            let root = tempfile::tempdir().unwrap();
            let record = publish(&Store::open(root.path()).unwrap()).into_record();
            let store = Store::open(root.path()).unwrap();
            put(&store, folder, obstacle);
            let path = blob(root.path(), &record.outputs["json"].file);
            match damaged {
                true => damage(&path, Damage::Flip),
                false => std::fs::remove_file(&path).unwrap(),
            }
            if !damaged {
                // The record names what is gone, and another result takes its place.
                let json = store.artifacts().put_json(&"another").unwrap();
                store
                    .records()
                    .publish(sample::record(&store, "all", [("json", json)]))
                    .unwrap();
            }
            publish(&store);
            assert!(
                matches!(store.records().lookup(&key("all")), Lookup::Hit(_)),
                "{what}"
            );
            assert!(root.path().join(folder).is_dir(), "{what}");
        }
    }
}

#[test]
fn a_file_among_the_runs_stands_in_nobodys_way() {
    for (what, obstacle) in OBSTACLES {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        write_all(&store);
        let stray = mitune_store::RunId::generate();
        obstacle(&root.path().join(format!("runs/{stray}")));
        let options = CollectOptions::default();
        assert_eq!(store.runs_kept(&options).unwrap().len(), 1, "{what}");
        assert!(!store.why(&key("all").to_string(), &options).unwrap().is_empty());
        store.plan_collection(&options).unwrap();
        store.collect(&options).unwrap();
        assert!(store.runs().events(&stray).unwrap().is_empty(), "{what}");
        let report = store.verify(VerifyDepth::Full).unwrap();
        assert!(report.is_clean(), "{what}: {report:?}");
    }
}

#[test]
fn a_collection_does_not_guess_what_a_folder_held() {
    for folder in ["actions", "runs", "roots", "roots/pins", "leases"] {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        write_all(&store);
        let before = store.catalog().blobs().unwrap();
        put(&store, folder, OBSTACLES[0].1);
        let error = store.collect(&CollectOptions::default()).unwrap_err();
        let text = mitune_store::remote::describe(&error);
        for part in [folder, "move it away"] {
            assert!(text.contains(part), "{text}");
        }
        assert_eq!(store.catalog().blobs().unwrap(), before);
    }
}

#[test]
fn what_cannot_be_set_aside_is_named() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    for folder in ["quarantine", "tmp"] {
        put(&store, folder, OBSTACLES[0].1);
    }
    let error = store.artifacts().put_json(&1).unwrap_err();
    let text = mitune_store::remote::describe(&error);
    for part in ["/tmp`", "it is not a directory: move it away"] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn a_lease_is_taken_although_something_has_the_name_of_its_folder() {
    for (what, obstacle) in OBSTACLES {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        put(&store, "leases", obstacle);
        let claim = store.leases().claim(&LeaseKey::of_stage(&key("all")), "work");
        assert!(matches!(claim, Claim::Mine(_)), "{what}: {claim:?}");
    }
}

/// Parts of a store may lie on other disks; one that is not mounted must not be begun anew here.
#[test]
fn a_link_to_a_disk_that_is_not_mounted_stays() {
    for folder in ["blobs", "actions"] {
        let (root, disk) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let store = Store::open(root.path()).unwrap();
        let (place, mounted, gone) = (
            root.path().join(folder),
            disk.path().join("on"),
            disk.path().join("off"),
        );
        let _ = std::fs::remove_dir_all(&place);
        std::fs::create_dir(&mounted).unwrap();
        std::os::unix::fs::symlink(&mounted, &place).unwrap();
        publish(&store);
        std::fs::rename(&mounted, &gone).unwrap();
        let store = Store::open(root.path()).unwrap();
        let error = store
            .blobs()
            .put_bytes(b"more")
            .err()
            .map(|error| mitune_store::remote::describe(&error));
        if folder == "blobs" {
            assert!(error.unwrap().contains("mount the disk"));
        }
        assert!(place.is_symlink(), "{folder}");
        std::fs::rename(&gone, &mounted).unwrap();
        let store = Store::open(root.path()).unwrap();
        assert!(
            matches!(store.records().lookup(&key("all")), Lookup::Hit(_)),
            "{folder}"
        );
    }
}
