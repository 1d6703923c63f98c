//! Processes that do the same work at the same time end with one result.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use mitune_store::{FamilyKey, ItemKey, Published, Store, Value, VerifyDepth};

use crate::sample::{candidates, child, files, preimage, producer, record};

const STORE: &str = "MITUNE_TEST_CROWD_STORE";
const WORKER: &str = "MITUNE_TEST_CROWD_WORKER";
const WORKERS: u32 = 4;
const KEYS: u32 = 40;

/// Runs in each child: publishes its own result for every key, and the same shard as everybody.
#[test]
fn worker() {
    let (Ok(path), Ok(worker)) = (std::env::var(STORE), std::env::var(WORKER)) else {
        return;
    };
    while !Path::new(&path).with_extension("go").exists() {
        std::thread::sleep(Duration::from_millis(1));
    }
    let store = Store::open(path).unwrap();
    let family = FamilyKey::derive(&preimage("family")).unwrap();
    let mut report = std::io::stdout();
    // The test runner leaves its own line open.
    writeln!(report).unwrap();
    for number in 0..KEYS {
        let item = ItemKey::derive(&family, &Value::from(number)).unwrap();
        let rows = candidates(&[number * 100 + worker.parse::<u32>().unwrap()]);
        let shard = store
            .shards()
            .publish(&family, rows, vec![item], &producer())
            .unwrap();
        let json = store.artifacts().put_json(&(number, &worker)).unwrap();
        let published = store
            .records()
            .publish(record(&store, &number.to_string(), [("out", json)]))
            .unwrap();
        let won = matches!(published, Published::Won(_));
        let content = published.into_record().outputs["out"].content;
        writeln!(report, "result {number} {won} {content} {}", shard.items[0].row).unwrap();
    }
}

#[test]
fn everybody_adopts_the_first_result() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("store");
    let workers: Vec<_> = (0..WORKERS)
        .map(|worker| {
            child(
                "concurrent::worker",
                &[(STORE, path.to_str().unwrap()), (WORKER, &worker.to_string())],
            )
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
        })
        .collect();
    std::thread::sleep(Duration::from_millis(100));
    std::fs::write(path.with_extension("go"), "").unwrap();

    let mut winners: BTreeMap<u32, u32> = BTreeMap::new();
    let mut results: BTreeMap<u32, BTreeSet<(String, String)>> = BTreeMap::new();
    for worker in workers {
        let output = worker.wait_with_output().unwrap();
        assert!(output.status.success());
        for line in String::from_utf8(output.stdout).unwrap().lines() {
            let Some(line) = line.strip_prefix("result ") else {
                continue;
            };
            let fields: Vec<_> = line.split(' ').collect();
            let number: u32 = fields[0].parse().unwrap();
            *winners.entry(number).or_default() += u32::from(fields[1] == "true");
            results
                .entry(number)
                .or_default()
                .insert((fields[2].to_owned(), fields[3].to_owned()));
        }
    }
    assert_eq!(
        winners,
        (0..KEYS).map(|number| (number, 1)).collect(),
        "winners per key"
    );
    assert!(results.values().all(|seen| seen.len() == 1), "{results:?}");
    let divergent = files(&path.join("divergent"));
    assert_eq!(divergent.len() as u32, KEYS * (WORKERS - 1));
    let store = Store::open(&path).unwrap();
    assert_eq!(store.catalog().actions().unwrap().count() as u32, KEYS);
    let report = store.verify(VerifyDepth::Full).unwrap();
    assert!(report.is_clean(), "{report:?}");
    assert!(files(&path.join("tmp")).is_empty());
}

#[test]
fn threads_share_an_open_store() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let digests: Vec<_> = std::thread::scope(|scope| {
        let put = || {
            (0..50_u8)
                .map(|n| store.blobs().put_bytes(&[n; 100]).unwrap())
                .collect::<Vec<_>>()
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(put)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(digests.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(store.catalog().blobs().unwrap().len(), 50);
}
