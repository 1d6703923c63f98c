//! The index of a host: whatever happens to it, runs end well and answers stay the same.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::program::{Ended, command, ended, run, start};
use crate::workplace::Workplace;

const PIPELINE: &str = "version: 1\nname: demo\nstages:\n  a: {kind: numbers, count: 12, delay_ms: 20, journal: journal}\n  \
                        b: {kind: remainder, of: a, modulo: 7}\n";

fn write(folder: &Path) {
    fs::write(folder.join("p.yaml"), PIPELINE).unwrap();
}

fn well(ended: Ended) -> Ended {
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    ended
}

fn without_index(folder: &Path, arguments: &[&str]) -> String {
    let mut command = command(folder, arguments);
    well(ended(command.env("MITUNE_INDEX", "none").output().unwrap())).stdout
}

/// The one folder below the cache that holds an index.
fn index(folder: &Path) -> PathBuf {
    let entries = fs::read_dir(folder.join("cache/mitune")).unwrap().flatten();
    let mut indexes = entries
        .map(|entry| entry.path().join("index.sled"))
        .filter(|path| path.exists());
    indexes.next().unwrap()
}

fn lines(folder: &Path) -> usize {
    let text = fs::read_to_string(folder.join("journal")).unwrap_or_default();
    text.lines().count()
}

const QUERIES: [&[&str]; 6] = [
    &["--stage", "numbers"],
    &["--pipeline", "demo"],
    &["--tag", "first"],
    &["--metric", "sum>=0"],
    &["--metric", "sum<0"],
    &["--prompt", "a red circle"],
];

/// Something that befalls an index.
type Damage = Box<dyn Fn(&Path)>;

#[test]
fn a_damaged_index_changes_nothing() {
    let each = |index: &Path, change: &dyn Fn(&Path)| {
        let files = fs::read_dir(index).unwrap().flatten().map(|entry| entry.path());
        files.filter(|path| path.is_file()).for_each(|path| change(&path));
    };
    let damages: [(&str, Damage); 5] = [
        ("deleted", Box::new(|index| fs::remove_dir_all(index).unwrap())),
        (
            "zero-length",
            Box::new(move |index| each(index, &|path| fs::write(path, "").unwrap())),
        ),
        (
            "truncated",
            Box::new(move |index| {
                each(index, &|path| {
                    let bytes = fs::read(path).unwrap();
                    fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
                });
            }),
        ),
        (
            "garbage",
            Box::new(move |index| {
                each(index, &|path| {
                    fs::write(path, vec![0x5a; fs::read(path).unwrap().len()]).unwrap()
                });
            }),
        ),
        (
            "a file",
            Box::new(|index| {
                fs::remove_dir_all(index).unwrap();
                fs::write(index, "x").unwrap();
            }),
        ),
    ];
    let place = Workplace::new();
    write(place.path());
    well(run(place.path(), &["run", "p.yaml", "--tag", "first"]));
    let answers =
        QUERIES.map(|query| without_index(place.path(), &[&["store", "ls", "--json"], query].concat()));
    for (query, expected) in QUERIES.iter().zip([1, 3, 3, 2, 0, 0]) {
        let found: Vec<serde_json::Value> = serde_json::from_str(&without_index(
            place.path(),
            &[&["store", "ls", "--json"], *query].concat(),
        ))
        .unwrap();
        assert_eq!(found.len(), expected, "{query:?}");
    }
    for (name, damage) in damages {
        well(run(place.path(), &["store", "reindex"]));
        damage(&index(place.path()));
        let again = well(run(place.path(), &["run", "p.yaml"]));
        assert!(
            again.stdout.contains("0 computed, 2 found"),
            "{name}: {}",
            again.stdout
        );
        for (query, answer) in QUERIES.iter().zip(&answers) {
            let found = well(run(place.path(), &[&["store", "ls", "--json"], *query].concat()));
            assert_eq!(found.stdout, *answer, "{name}: {query:?}");
        }
    }
    assert_eq!(lines(place.path()), 12, "nothing is computed twice");
    well(run(place.path(), &["store", "verify", "--full"]));
}

#[test]
fn an_index_deleted_during_a_run_is_not_missed() {
    let place = Workplace::new();
    write(place.path());
    let child = start(place.path(), &["run", "p.yaml"]);
    let begun = Instant::now();
    while lines(place.path()) < 6 {
        assert!(begun.elapsed() < Duration::from_secs(60), "no progress");
        std::thread::sleep(Duration::from_millis(2));
    }
    let _ = fs::remove_dir_all(place.path().join("cache"));
    well(ended(child.wait_with_output().unwrap()));
    let again = well(run(place.path(), &["run", "p.yaml"]));
    assert!(again.stdout.contains("0 computed, 2 found"), "{}", again.stdout);
    assert_eq!(lines(place.path()), 12);
}

#[test]
fn a_blob_that_rots_is_noticed_with_an_index_too() {
    let place = Workplace::new();
    write(place.path());
    well(run(place.path(), &["run", "p.yaml"]));
    // Long enough for the files to count as settled, so that the next run remembers them.
    std::thread::sleep(Duration::from_millis(3100));
    well(run(place.path(), &["run", "p.yaml"]));
    for fan in fs::read_dir(place.path().join(".mitune/blobs"))
        .unwrap()
        .flatten()
    {
        for blob in fs::read_dir(fan.path()).unwrap().flatten() {
            let mut bytes = fs::read(blob.path()).unwrap();
            bytes[0] ^= 1;
            fs::remove_file(blob.path()).unwrap();
            fs::write(blob.path(), bytes).unwrap();
        }
    }
    let again = well(run(place.path(), &["run", "p.yaml"]));
    assert!(again.stdout.contains("2 computed, 0 found"), "{}", again.stdout);
    well(run(place.path(), &["store", "verify", "--full"]));
}
