//! A remote that holds what no store has: other bytes, other kinds of files, claims without anything behind them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use mitune_store::remote::{Folder, TransferOptions};
use mitune_store::{FileDigest, StoreError};

use super::*;

fn folder(root: &Path) -> (Store, Arc<dyn Remote>) {
    let store = Store::open(root).unwrap();
    (store.clone(), Arc::new(Folder::new(store)))
}

/// Changes a byte of a blob and leaves its size.
fn flip(store: &Store, blob: &FileDigest) {
    let path = store.blobs().path(blob).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::remove_file(&path).unwrap();
    fs::write(&path, bytes).unwrap();
}

fn attached(remotes: Vec<Upstream>) -> (TempDir, Store, Arc<Mutex<Vec<String>>>) {
    let (folder, store) = store();
    let said = Arc::new(Mutex::new(Vec::new()));
    let saying = Arc::clone(&said);
    let warn = Box::new(move |text: &str| saying.lock().unwrap().push(text.to_owned()));
    store.attach(Sharing::new(None, remotes, warn));
    (folder, store, said)
}

#[test]
fn a_blob_with_other_bytes_is_had_elsewhere_or_is_a_miss() {
    let (bad, good) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let ((bad_store, bad), (_, good)) = (folder(bad.path()), folder(good.path()));
    let (_a, anna) = store();
    let record = publish(&anna, "one", 0..12);
    for remote in [&bad, &good] {
        push_all(&anna, &upstream(remote)).unwrap();
    }
    let (json, table) = (record.outputs["json"].file, &record.outputs["table"]);
    flip(&bad_store, &json);
    flip(
        &bad_store,
        &anna.artifacts().members(table).unwrap().last().unwrap().0,
    );

    let (_b, ben, _) = attached(vec![upstream(&bad), upstream(&good)]);
    assert!(matches!(ben.records().lookup(&record.key), Lookup::Hit(_)));
    assert_eq!(
        ben.blobs().read(&json).unwrap(),
        anna.blobs().read(&json).unwrap()
    );
    assert_eq!(
        ben.artifacts().read_table_whole(table, None).unwrap().num_rows(),
        12
    );

    let (_c, cleo, said) = attached(vec![upstream(&bad)]);
    assert!(
        matches!(cleo.records().lookup(&record.key), Lookup::Hit(_)),
        "nobody knows yet"
    );
    assert!(matches!(
        cleo.blobs().read(&json),
        Err(StoreError::MissingBlob(_))
    ));
    assert!(matches!(cleo.records().lookup(&record.key), Lookup::Miss(_)));
    // The table is found to be damaged before anybody counts on it.
    assert!(cleo.shards().items(&family()).unwrap().len() < 12);
    assert!(
        said.lock()
            .unwrap()
            .iter()
            .any(|text| text.contains("is damaged"))
    );
    // Computed again it stands here, and good bytes take the place of the bad ones.
    let again = publish(&cleo, "one", 0..12);
    assert_eq!(again.outputs, record.outputs);
    cleo.flush_remotes();
    assert_eq!(
        bad_store.blobs().read(&json).unwrap(),
        anna.blobs().read(&json).unwrap()
    );
    assert!(bad_store.verify(VerifyDepth::Full).unwrap().is_clean());
}

#[test]
fn what_is_odd_at_a_remote_hides_nothing_else() {
    let hex = "a".repeat(64);
    type Spoil = Box<dyn Fn(&Path)>;
    let pipe = |name: String| -> Spoil {
        Box::new(move |root: &Path| {
            let path = root.join(&name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let fifo = rustix_fifo(&path);
            assert!(fifo, "{}", path.display());
        })
    };
    let directory = |name: String| -> Spoil {
        Box::new(move |root: &Path| fs::create_dir_all(root.join(&name)).unwrap())
    };
    let link = |name: String| -> Spoil {
        Box::new(move |root: &Path| {
            let path = root.join(&name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::os::unix::fs::symlink("/etc/passwd", path).unwrap();
        })
    };
    let huge = |name: String| -> Spoil {
        Box::new(move |root: &Path| {
            let path = root.join(&name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::File::create(path).unwrap().set_len(1 << 40).unwrap();
        })
    };
    let run = "01M8JZ4E83TWKK3YPEQVJ87P3G";
    let spoils: Vec<(&str, Spoil)> = vec![
        ("pipe for an action", pipe(format!("actions/aa/{hex}.json"))),
        ("pipe for a fan", pipe("actions/ab".into())),
        (
            "folder for an action",
            directory(format!("actions/aa/{hex}.json")),
        ),
        ("link for an action", link(format!("actions/aa/{hex}.json"))),
        ("huge action", huge(format!("actions/aa/{hex}.json"))),
        ("pipe for a shard", pipe(format!("shards/aa/{hex}/{hex}.json"))),
        ("huge shard", huge(format!("shards/aa/{hex}/{hex}.json"))),
        ("pipe for a tombstone", pipe(format!("invalid/{hex}/{hex}.json"))),
        ("link for a tombstone", link(format!("invalid/{hex}/{hex}.json"))),
        ("huge tombstone", huge(format!("invalid/{hex}/{hex}.json"))),
        ("pipe for a run", pipe(format!("runs/{run}/run.json"))),
        ("huge run", huge(format!("runs/{run}/run.json"))),
    ];
    let (_a, anna) = store();
    let record = publish(&anna, "one", 0..8);
    for (what, spoil) in spoils {
        let place = tempfile::tempdir().unwrap();
        let (_, remote) = folder(place.path());
        push_all(&anna, &upstream(&remote)).unwrap();
        spoil(place.path());
        let (_b, ben) = store();
        let pulled = pull_all(&ben, &upstream(&remote));
        assert_eq!(pulled.left_out.len(), 1, "{what}: {pulled:?}");
        assert!(
            matches!(ben.records().lookup(&record.key), Lookup::Hit(_)),
            "{what}"
        );
        assert_eq!(ben.shards().items(&family()).unwrap().len(), 8, "{what}");
        let (_c, cleo, _) = attached(vec![upstream(&remote)]);
        assert!(
            matches!(cleo.records().lookup(&record.key), Lookup::Hit(_)),
            "{what}"
        );
    }
}

/// Makes a pipe that nobody writes to.
fn rustix_fifo(path: &Path) -> bool {
    let made = std::process::Command::new("mkfifo").arg(path).status();
    made.is_ok_and(|status| status.success())
}

/// Writes the record of a shard as anybody can, with a check that holds.
fn forge_shard(root: &Path, change: impl Fn(&mut serde_json::Value)) -> PathBuf {
    let families = root.join("shards");
    let mut found = Vec::new();
    let mut folders = vec![families];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => found.push(path),
            }
        }
    }
    found.sort();
    let path = found.remove(0);
    let mut record: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut record);
    reseal_as(&mut record, "mitune 2026 shard record v1");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&path, record.to_string()).unwrap();
    path
}

#[test]
fn a_size_that_is_only_claimed_reserves_nothing_and_stops_nothing() {
    let (_a, anna) = store();
    let record = publish(&anna, "one", 0..8);
    for size in [10_u64.pow(15), u64::MAX] {
        let place = tempfile::tempdir().unwrap();
        let (_, remote) = folder(place.path());
        push_all(&anna, &upstream(&remote)).unwrap();
        forge_shard(place.path(), |record| {
            record["blob"] = "cd".repeat(32).into();
            record["bytes"] = size.into();
        });
        for dry_run in [true, false] {
            let (_b, ben) = store();
            let options = TransferOptions {
                dry_run,
                metadata_only: false,
            };
            let pulled = pull(&ben, &upstream(&remote), &Wanted::All, options, &Unwatched).unwrap();
            if !dry_run {
                assert_eq!(pulled.left_out.len(), 1, "{pulled:?}");
                assert!(matches!(ben.records().lookup(&record.key), Lookup::Hit(_)));
            }
        }
    }
}

#[test]
fn a_shard_with_another_table_is_disowned_where_its_rows_are_needed() {
    let place = tempfile::tempdir().unwrap();
    let (_, remote) = folder(place.path());
    let (_a, anna) = store();
    publish(&anna, "one", 0..8);
    let other = arrow_array::RecordBatch::try_from_iter([(
        "number",
        Arc::new(arrow_array::UInt32Array::from(vec![1, 2, 3, 4])) as arrow_array::ArrayRef,
    )])
    .unwrap();
    let other = anna.artifacts().put_table(&other.schema(), [other]).unwrap();
    let few = anna
        .artifacts()
        .put_table(&candidates(&[1]).schema(), [candidates(&[1])])
        .unwrap();
    for wrong in [&other, &few] {
        let (_b, ben, _) = attached(vec![upstream(&remote)]);
        push_all(&anna, &upstream(&remote)).unwrap();
        remote
            .upload(&wrong.file, &anna.blobs().path(&wrong.file).unwrap(), wrong.bytes)
            .unwrap();
        let forged = forge_shard(place.path(), |record| {
            record["blob"] = wrong.file.to_string().into();
            record["bytes"] = wrong.bytes.into();
        });
        let schema = candidates(&[]).schema();
        let wanted: std::collections::HashSet<ItemKey> =
            ben.shards().items(&family()).unwrap().into_keys().collect();
        assert_eq!(wanted.len(), 8, "the store itself cannot tell");
        let mut listing = ben.shards().listing(&family(), &schema);
        assert_eq!(listing.more(&wanted).unwrap().len(), 1);
        assert_eq!(
            ben.shards()
                .rows_of_items(&family(), &schema, &wanted)
                .unwrap()
                .len(),
            4
        );
        // It does not come back, and a good one can take its place.
        assert_eq!(ben.shards().items(&family()).unwrap().len(), 4);
        publish(&ben, "one", 0..8);
        assert_eq!(
            ben.shards()
                .rows_of_items(&family(), &schema, &wanted)
                .unwrap()
                .len(),
            8
        );
        fs::remove_file(forged).unwrap();
        let _ = fs::remove_dir_all(place.path().join("invalid"));
    }
}

#[test]
fn tombstones_come_once_and_many_at_a_time() {
    let place = tempfile::tempdir().unwrap();
    let (lab, remote) = folder(place.path());
    for number in 0..40 {
        publish(&lab, &number.to_string(), number..number + 1);
        lab.records().forget(&key(&number.to_string()), "broken").unwrap();
    }
    let counting = Arc::new(Faulty::new(&remote, u64::MAX));
    let counted: Arc<dyn Remote> = counting.clone();
    let (_b, ben) = store();
    pull_all(&ben, &upstream(&counted));
    let first = counting.tombstones.swap(0, Ordering::Relaxed);
    assert_eq!(first, 80, "of each result and its shard");
    pull_all(&ben, &upstream(&counted));
    assert_eq!(counting.tombstones.load(Ordering::Relaxed), 0);
    assert!(ben.verify(VerifyDepth::Full).unwrap().is_clean());
    for number in 0..40 {
        assert!(matches!(
            ben.records().lookup(&key(&number.to_string())),
            Lookup::Miss(MissReason::Disowned { .. })
        ));
    }
}

#[test]
fn one_object_that_may_not_be_read_stops_no_pull() {
    let place = tempfile::tempdir().unwrap();
    let (_, remote) = folder(place.path());
    let (_a, anna) = store();
    let [one, two] = ["one", "two"].map(|name| publish(&anna, name, 0..8));
    push_all(&anna, &upstream(&remote)).unwrap();
    for denied in [Object::Action(one.key), Object::Blob(one.outputs["json"].file)] {
        let mut faulty = Faulty::new(&remote, u64::MAX);
        faulty.denied = Some(denied);
        let faulty: Arc<dyn Remote> = Arc::new(faulty);
        let (_b, ben) = store();
        let pulled = pull_all(&ben, &upstream(&faulty));
        assert_eq!(pulled.left_out.len(), 1, "{pulled:?}");
        assert!(
            pulled.left_out[0].contains(&format!("refuses access to `{denied}`")),
            "{pulled:?}"
        );
        assert!(matches!(ben.records().lookup(&two.key), Lookup::Hit(_)));
        assert!(matches!(ben.records().lookup(&one.key), Lookup::Miss(_)));
    }
}
