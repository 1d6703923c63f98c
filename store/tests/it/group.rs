//! A store of a group: what one of them makes, all of them can use, whatever the umask.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use mitune_store::{
    CollectOptions, FamilyKey, ItemKey, LeaseKey, PinTarget, RunLog, RunStatus, Store, Value, VerifyDepth,
};

use crate::sample::{candidates, key, preimage, producer, record};

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Lists everything below a folder with its mode.
fn modes(root: &Path) -> Vec<(PathBuf, u32)> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let metadata = path.symlink_metadata().unwrap();
            if metadata.is_dir() {
                folders.push(path.clone());
            }
            found.push((path, metadata.mode()));
        }
    }
    found
}

/// Makes a file in every folder of a store.
fn work(store: &Store) {
    let json = store.artifacts().put_json(&"result").unwrap();
    store
        .records()
        .publish(record(store, "one", [("json", json)]))
        .unwrap();
    let family = FamilyKey::derive(&preimage("family")).unwrap();
    let item = ItemKey::derive(&family, &Value::from(1_u64)).unwrap();
    store
        .shards()
        .publish(&family, candidates(&[1]), vec![item], &producer())
        .unwrap();
    let checkpoint = mitune_store::Checkpoint {
        step: 1,
        blobs: [("state".to_owned(), store.blobs().put_bytes(b"state").unwrap())].into(),
        state: serde_json::Value::Null,
        keep: false,
    };
    store
        .records()
        .publish_checkpoint(&key("two"), checkpoint)
        .unwrap();
    let log = RunLog::create(store, "demo").unwrap();
    log.event("began", Default::default()).unwrap();
    log.finish(RunStatus::Succeeded).unwrap();
    let target = PinTarget::Run(log.id());
    store
        .pins()
        .pin("kept".parse().unwrap(), target, "anna", None)
        .unwrap();
    store.records().forget(&key("one"), "broken").unwrap();
    let lease = store.leases().claim(&LeaseKey::of_stage(&key("three")), "stage");
    store.collect(&CollectOptions::default()).unwrap();
    drop(lease);
}

#[test]
fn a_store_of_a_group_stays_one() {
    for root_mode in [0o2775, 0o2770, 0o775] {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("store");
        fs::create_dir(&root).unwrap();
        set_mode(&root, root_mode);
        let store = Store::open(&root).unwrap();
        work(&store);
        assert!(store.verify(VerifyDepth::Full).unwrap().is_clean());
        assert_eq!(root.metadata().unwrap().mode() & 0o7777, root_mode);
        for (path, mode) in modes(&root) {
            let needed = match path.is_dir() {
                true => 0o2770,
                false if path.starts_with(root.join("tmp")) => 0,
                false => 0o440,
            };
            assert_eq!(mode & needed, needed, "{} has mode {mode:o}", path.display());
        }
    }
}

#[test]
fn a_store_of_one_person_follows_the_umask() {
    let folder = tempfile::tempdir().unwrap();
    set_mode(folder.path(), 0o755);
    let store = Store::open(folder.path().join("store")).unwrap();
    work(&store);
    let fresh = folder.path().join("fresh");
    fs::create_dir(&fresh).unwrap();
    let own = fresh.metadata().unwrap().mode() & 0o7777;
    for (path, mode) in modes(store.root()) {
        if path.is_dir() {
            assert_eq!(mode & 0o7777, own, "{}", path.display());
        }
    }
}

#[test]
fn a_store_made_in_the_folder_of_a_group_is_shared_with_it() {
    let folder = tempfile::tempdir().unwrap();
    for (mode, shared) in [(0o2775, true), (0o775, false), (0o1777, false), (0o2755, false)] {
        let place = folder.path().join(format!("{mode:o}"));
        fs::create_dir(&place).unwrap();
        set_mode(&place, mode);
        let store = Store::open(place.join("store")).unwrap();
        let found = store.root().metadata().unwrap().mode();
        let plain = {
            let fresh = place.join("fresh");
            fs::create_dir(&fresh).unwrap();
            fresh.metadata().unwrap().mode() & 0o7777
        };
        match shared {
            true => assert_eq!(found & 0o2070, 0o2070, "{mode:o}"),
            false => assert_eq!(found & 0o7777, plain, "{mode:o}"),
        }
    }
}
