//! A full disk, a file-size limit and a read-only place: clear errors, and nothing half-written.

use std::path::Path;
use std::process::Command;

use mitune_store::{
    Checkpoint, DirectoryEntry, FamilyKey, ItemKey, Lookup, PathError, RunLog, Store, StoreError, TableError,
    Value, VerifyDepth,
};

use crate::sample::{candidate_schema, candidates, files, key, preimage, producer, record};

const PLACE: &str = "MITUNE_TEST_EXHAUSTED";

/// Runs this binary's test inside a shell whose preparation limits what it may write.
fn shell(preparation: &str, test: &str, place: &Path) -> std::process::Output {
    let script = format!("{preparation} && exec \"$0\" --exact {test} --nocapture --test-threads=1");
    Command::new("sh")
        .args(["-c", &script])
        .arg(std::env::current_exe().unwrap())
        .env(PLACE, place)
        .output()
        .unwrap()
}

/// Tells whether this host lets the test mount a file system of its own; a container may not.
fn may_mount() -> bool {
    let probe = Command::new("unshare")
        .args(["-m", "mount", "-t", "tmpfs", "none", "/mnt"])
        .output();
    probe.is_ok_and(|output| output.status.success())
}

fn is_full(error: &StoreError) -> bool {
    matches!(error, StoreError::Path(PathError::StorageFull { .. }))
}

/// Runs in the child under a limit of 64 KiB per file.
#[test]
fn under_a_file_size_limit() {
    let Ok(place) = std::env::var(PLACE) else { return };
    let store = Store::open(Path::new(&place).join("store")).unwrap();
    let small = store.blobs().put_bytes(&[1; 1000]).unwrap();

    let error = store.blobs().put_bytes(&vec![2; 1 << 20]).unwrap_err();
    assert!(is_full(&error), "{error:?}");
    assert!(error.to_string().contains("store/tmp/"), "{error}");
    let wide = candidates(&(0..4000).collect::<Vec<_>>());
    let error = store
        .artifacts()
        .put_table(&candidate_schema(), [wide])
        .unwrap_err();
    assert!(is_full(&error), "{error:?}");
    let large = DirectoryEntry::Bytes(vec![3; 1 << 20]);
    let error = store
        .artifacts()
        .put_directory(&[("large".to_owned(), large)])
        .unwrap_err();
    assert!(is_full(&error), "{error:?}");

    assert_eq!(store.blobs().read(&small).unwrap(), [1; 1000]);
    let root = store.root().to_path_buf();
    assert_eq!(files(&root.join("blobs")).len(), 1);
    assert_eq!(files(&root.join("tmp")).len(), 0);
    drop(store);
    assert_eq!(std::fs::read_dir(root.join("tmp")).unwrap().count(), 0);
}

#[test]
fn a_file_size_limit_leaves_nothing_half_written() {
    let root = tempfile::tempdir().unwrap();
    // A blocked signal stays blocked: the write then fails instead of ending the process.
    let limit = "trap '' XFSZ && ulimit -f 128";
    let output = shell(limit, "exhausted::under_a_file_size_limit", root.path());
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(
        files(&root.path().join("store/blobs")).len(),
        1,
        "the child did not run"
    );
}

/// Does one of everything; any error must say that the disk is full and where.
fn work(root: &Path) -> Result<(), StoreError> {
    let store = Store::open(root)?;
    let run = RunLog::create(&store, "tiny")?;
    run.event("begun", std::collections::BTreeMap::new())?;
    let family = FamilyKey::derive(&preimage("family"))?;
    let items = (0..3_u32)
        .map(|n| ItemKey::derive(&family, &Value::from(n)).unwrap())
        .collect();
    store
        .shards()
        .publish(&family, candidates(&[1, 2, 3]), items, &producer())?;
    let table = store
        .artifacts()
        .put_table(&candidate_schema(), [candidates(&[5; 40])])?;
    let entry = DirectoryEntry::Bytes(b"text".to_vec());
    let directory = store
        .artifacts()
        .put_directory(&[("a".to_owned(), entry.clone()), ("b".to_owned(), entry)])?;
    let preimage = store.records().put_preimage(&preimage("all"))?;
    let mut record = mitune_store::ActionRecord::new(key("all"), preimage, "pretend", 1);
    record.outputs = [
        ("table".to_owned(), table.clone()),
        ("directory".to_owned(), directory),
    ]
    .into();
    store.records().publish(record)?;
    let blobs = [("weights".to_owned(), table.file)].into();
    store.records().publish_checkpoint(
        &key("all"),
        Checkpoint {
            step: 1,
            blobs,
            state: 1.into(),
            keep: false,
        },
    )?;
    run.finish(mitune_store::RunStatus::Succeeded)
}

/// Runs in the child in a mount namespace of its own, with the tools to mount there.
#[test]
fn inside_a_mount_namespace() {
    let Ok(place) = std::env::var(PLACE) else { return };
    let place = Path::new(&place);
    let mount = |options: &str| {
        let output = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "none"])
            .arg(place)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    let root = place.join("store");
    for (name, unit, start) in [("nr_blocks", 1, 2), ("nr_inodes", 1, 3)] {
        let mut failures = 0;
        let mut limit = start;
        loop {
            mount(&format!("{name}={limit}"));
            let done = match work(&root) {
                Ok(()) => true,
                Err(StoreError::Table(TableError::Parquet { .. })) => panic!("the error lost its path"),
                Err(error) => {
                    assert!(is_full(&error), "{name}={limit}: {error:?}");
                    assert!(error.to_string().contains(place.to_str().unwrap()), "{error}");
                    failures += 1;
                    false
                }
            };
            if root.join("FORMAT").exists() {
                let store = Store::open(&root).unwrap();
                let report = store.verify(VerifyDepth::Full).unwrap();
                assert!(report.is_clean(), "{name}={limit}: {report:?}");
                assert_eq!(files(&root.join("tmp")).len(), 0, "{name}={limit}");
                assert!(matches!(store.records().lookup(&key("all")), Lookup::Hit(_)) || !done);
                if !done {
                    // With room again, the same store takes the work up.
                    let output = Command::new("mount")
                        .args(["-o", "remount,nr_blocks=100000,nr_inodes=100000"])
                        .arg(place)
                        .output()
                        .unwrap();
                    assert!(output.status.success(), "{output:?}");
                    work(&root).unwrap();
                    assert!(store.verify(VerifyDepth::Full).unwrap().is_clean());
                }
            }
            let unmounted = Command::new("umount").arg("-l").arg(place).status().unwrap();
            assert!(unmounted.success());
            if done {
                break;
            }
            limit += unit;
        }
        assert!(failures >= 10, "{name}: only {failures} failures were met");
        println!("{name}: {failures} failures");
    }

    mount("nr_blocks=1000");
    work(&root).unwrap();
    let output = Command::new("mount")
        .args(["-o", "remount,ro"])
        .arg(place)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let store = Store::open(&root).unwrap();
    assert!(matches!(store.records().lookup(&key("all")), Lookup::Hit(_)));
    assert!(store.verify(VerifyDepth::Full).unwrap().is_clean());
    assert_eq!(store.runs().list().unwrap().len(), 1);
    let error = store.blobs().put_bytes(b"new").unwrap_err();
    assert!(
        matches!(error, StoreError::Path(PathError::ReadOnly { .. })),
        "{error:?}"
    );
    assert!(error.to_string().contains("the place is read-only"), "{error}");
    assert!(RunLog::create(&store, "tiny").is_err());
    println!("finished");
}

#[test]
fn a_full_or_read_only_disk_leaves_nothing_half_written() {
    if !may_mount() {
        // The file-size limit above covers the same path of errors where mounting is not allowed.
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let output = Command::new("unshare")
        .arg("-m")
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "exhausted::inside_a_mount_namespace",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(PLACE, root.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(text.contains("finished"), "the child did not run: {text}");
}

#[test]
fn a_damaged_blob_in_a_store_of_a_newer_writer_is_a_miss_and_stays() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let artifact = store.artifacts().put_json(&vec![0.5; 100]).unwrap();
    store
        .records()
        .publish(record(&store, "one", [("out", artifact.clone())]))
        .unwrap();
    let format = root.path().join("FORMAT");
    let text = std::fs::read_to_string(&format)
        .unwrap()
        .replace("\"min_writer\":1", "\"min_writer\":9");
    std::fs::remove_file(&format).unwrap();
    std::fs::write(&format, text).unwrap();
    let name = artifact.file.to_string();
    let path = root.path().join("blobs").join(&name[..2]).join(&name);
    crate::sample::damage(&path, crate::sample::Damage::Flip);
    let store = Store::open(root.path()).unwrap();
    assert!(matches!(store.records().lookup(&key("one")), Lookup::Miss(_)));
    assert!(path.exists());
    assert!(files(&root.path().join("quarantine")).is_empty());
}
