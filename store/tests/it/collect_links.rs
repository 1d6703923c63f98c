//! Links in a store that lead out of it: what lies behind them is neither moved nor removed.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use mitune_store::{CollectOptions, Lookup, Store, VerifyDepth, VerifyOutcome};
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};

use crate::aging::{DAY, make_all_old};
use crate::collect::stage;
use crate::sample::{files, key};

const BATCH: &str = "trash/01BX5ZZKBKACTAV9WEVGEMMVRZ";
const LEASE: &str = "leases/abababababababababababababababababababababababababababababababab";
const WRITER: &str = "tmp/elsewhere.0123456789ab.1.E";

fn content(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let read = |path: PathBuf| (path.clone(), std::fs::read(path).unwrap());
    files(root).into_iter().map(read).collect()
}

fn make_link_old(link: &Path) {
    let time = SystemTime::now() - DAY * 40;
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let time = Timespec {
        tv_sec: seconds.cast_signed(),
        tv_nsec: 0,
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    utimensat(CWD, link, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

#[test]
fn collections_and_writers_do_not_reach_through_links() {
    // The fan directory of what lies in a directory of the store outside.
    let elsewhere = |root: &Path, directory: &str| {
        let first = files(&root.join(directory)).remove(0);
        first.parent().unwrap().strip_prefix(root).unwrap().to_owned()
    };
    type Case = fn(&Path, &dyn Fn(&Path, &str) -> PathBuf) -> (PathBuf, PathBuf);
    let cases: [(&str, bool, Case); 8] = [
        ("a batch", false, |_, _| (BATCH.into(), "".into())),
        ("blobs of a batch", false, |_, _| {
            (format!("{BATCH}/blobs").into(), "blobs".into())
        }),
        ("a lease", true, |root, fan| (LEASE.into(), fan(root, "blobs"))),
        ("a writer", true, |root, fan| (WRITER.into(), fan(root, "blobs"))),
        ("a fan of blobs", false, |root, fan| {
            (fan(root, "blobs"), fan(root, "blobs"))
        }),
        ("a fan of records", false, |root, fan| {
            (fan(root, "actions"), fan(root, "actions"))
        }),
        ("a loser", false, |root, fan| {
            ("divergent/ab".into(), fan(root, "actions"))
        }),
        ("all writers", false, |_, _| ("tmp".into(), "".into())),
    ];
    let options = CollectOptions {
        keep_runs: 0,
        older_than: Duration::ZERO,
        grace: Duration::ZERO,
        trash: Duration::ZERO,
        staging: Duration::ZERO,
        aside: Duration::ZERO,
        ..CollectOptions::default()
    };
    for (name, is_leftover, case) in cases {
        let folder = tempfile::tempdir().unwrap();
        let (root, outside) = (folder.path().join("store"), folder.path().join("outside"));
        stage(&Store::open(&outside).unwrap(), "dead", &[]);
        std::fs::create_dir_all(outside.join("elsewhere.0123456789ab.1.F")).unwrap();
        std::fs::write(outside.join("elsewhere.0123456789ab.1.F/0"), b"half").unwrap();
        make_all_old(&outside, 40);
        let before = content(&outside);
        drop(Store::open(&root).unwrap());
        let (link, target) = case(&outside, &elsewhere);
        let link = root.join(link);
        if name == "all writers" {
            std::fs::remove_dir_all(&link).unwrap();
        }
        std::fs::create_dir_all(link.parent().unwrap()).unwrap();
        symlink(outside.join(target), &link).unwrap();
        make_link_old(&link);
        let store = Store::open(&root).unwrap();
        for _ in 0..2 {
            let report = store.collect(&options).unwrap();
            if is_leftover {
                assert_eq!(report.failed, 0, "{name}: {report:?}");
            } else {
                assert!(report.failure.unwrap().contains("symbolic link"), "{name}");
            }
        }
        assert_eq!(link.is_symlink(), !is_leftover, "{name}");
        if name.contains("batch") {
            assert!(
                matches!(store.records().lookup(&key("dead")), Lookup::Miss(_)),
                "{name}"
            );
        }
        if name.contains("fan") {
            let report = store.verify(VerifyDepth::Full).unwrap();
            assert_eq!(report.outcome(), VerifyOutcome::Lost, "{name}");
            assert!(report.unreadable[0].reason.contains("symbolic link"), "{name}");
        }
        // Whoever links all of `tmp` elsewhere has temporary files written there, and nothing else.
        let mut after = content(&outside);
        after.retain(|path, _| before.contains_key(path));
        assert_eq!(after, before, "{name}");
    }
}
