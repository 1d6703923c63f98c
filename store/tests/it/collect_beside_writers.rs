//! Collections beside many writers, and collectors that are killed: nothing that was acknowledged is lost.
//!
//! `MITUNE_TEST_COLLECT_SECONDS` makes it run longer. Times of days are scaled down to seconds.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use mitune_store::{
    CollectError, CollectOptions, FamilyKey, ItemKey, Lookup, OpenOptions, Part, RunLog, Store, StoreError,
    Value, VerifyDepth,
};

use crate::sample::{candidate_schema, candidates, child, key, preimage, producer, record};

const STORE: &str = "MITUNE_TEST_COLLECT_STORE";
const WRITER: &str = "MITUNE_TEST_COLLECT_WRITER";
const ROUNDS: &str = "MITUNE_TEST_COLLECT_ROUNDS";
const SECONDS: &str = "MITUNE_TEST_COLLECT_SECONDS";

const WRITERS: usize = 16;
/// Outputs that writers share, so that most of what is put is there already, or was collected a moment ago.
const SHARED: u64 = 300;
const RENEW_AFTER: Duration = Duration::from_millis(300);

fn options() -> CollectOptions {
    CollectOptions {
        keep_runs: 1,
        older_than: Duration::from_secs(3),
        grace: Duration::from_secs(3),
        trash: Duration::from_secs(3),
        aside: Duration::from_secs(3),
        ..CollectOptions::default()
    }
}

fn open(path: &Path) -> Store {
    Store::open_with(path, OpenOptions::default().renew_after(RENEW_AFTER)).unwrap()
}

fn seconds() -> u64 {
    std::env::var(SECONDS)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(15)
}

struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// Runs in a child: publishes until told to stop, and looks whether what it published is there.
#[test]
fn writer() {
    let (Ok(path), Ok(number)) = (std::env::var(STORE), std::env::var(WRITER)) else {
        return;
    };
    let store = open(Path::new(&path));
    let mut chance = Chance(number.parse::<u64>().unwrap() * 77 + 5);
    let log = RunLog::create(&store, &format!("pipeline {number}")).unwrap();
    let mut kept: Vec<String> = Vec::new();
    let mut recent: VecDeque<(Instant, String)> = VecDeque::new();
    let (mut puts, mut published, mut late) = (0_u64, 0_u64, 0_u64);
    let end = Instant::now() + Duration::from_secs(seconds());
    for round in 0_u64.. {
        if Instant::now() > end {
            break;
        }
        // Results that repeat are looked up, collected, and published again.
        let name = match chance.below(4) {
            0 => format!("shared {}", chance.below(SHARED)),
            _ => format!("{number}.{round}"),
        };
        let shared = chance.below(SHARED);
        puts += 3;
        let publish = || -> Result<(), StoreError> {
            let one = store.artifacts().put_json(&(shared, vec![0.5; 200]))?;
            let table = store
                .artifacts()
                .put_table(&candidate_schema(), [candidates(&[shared as u32 % 50])])?;
            let family = FamilyKey::derive(&preimage(&format!("family {}", shared % 20)))?;
            let item = ItemKey::derive(&family, &Value::from(shared as u32))?;
            let shard =
                store
                    .shards()
                    .publish(&family, candidates(&[shared as u32]), vec![item], &producer())?;
            let rows: Vec<_> = shard.items.iter().map(|item| item.row).collect();
            let parts = [Part {
                blob: shard.blob,
                rows: vec![0],
            }];
            let parts = store.artifacts().put_parts(&candidate_schema(), &parts, &rows)?;
            store.records().publish(record(
                &store,
                &name,
                [("one", one), ("table", table), ("parts", parts)],
            ))?;
            Ok(())
        };
        match publish() {
            Ok(()) => published += 1,
            // It took longer than grace and trash together, so nothing was acknowledged.
            Err(StoreError::MissingBlob(_) | StoreError::Contention(_)) => {
                late += 1;
                continue;
            }
            Err(error) => panic!("{error}"),
        }
        assert_readable(&store, &name);
        if round % 5 == 0 {
            kept.push(name.clone());
            log.update(|run| {
                run.stages = kept.iter().map(|name| (name.clone(), key(name))).collect();
            })
            .unwrap();
        }
        recent.push_back((Instant::now(), name));
        while recent
            .front()
            .is_some_and(|(when, _)| when.elapsed() > Duration::from_secs(2))
        {
            recent.pop_front();
        }
        let index = chance.below(recent.len().max(1) as u64) as usize;
        // Younger than the grace.
        if let Some((_, name)) = recent.get(index) {
            assert_readable(&store, name);
        }
        if let Some(name) = kept.get(chance.below(kept.len().max(1) as u64) as usize) {
            assert_readable(&store, name);
        }
    }
    let mut report = std::io::stdout();
    writeln!(report, "\ntotals {puts} {published} {late}").unwrap();
    for name in kept {
        writeln!(report, "kept {name}").unwrap();
    }
}

fn assert_readable(store: &Store, name: &str) {
    let Lookup::Hit(record) = store.records().lookup(&key(name)) else {
        panic!("lost {name}: {:?}", store.records().lookup(&key(name)));
    };
    for artifact in record.outputs.values() {
        store.blobs().read(&artifact.file).unwrap();
        for (file, _) in store.artifacts().members(artifact).unwrap() {
            store.blobs().read(&file).unwrap();
        }
    }
}

/// Runs in a child: collects a number of times.
#[test]
fn collector() {
    let (Ok(path), Err(_)) = (std::env::var(STORE), std::env::var(WRITER)) else {
        return;
    };
    let store = open(Path::new(&path));
    let mut report = std::io::stdout();
    writeln!(report).unwrap();
    let rounds: u64 = std::env::var(ROUNDS).unwrap().parse().unwrap();
    for _ in 0..rounds {
        match store.collect(&options()) {
            Ok(collected) => {
                let total = collected.total().files;
                let (restored, removed) = (collected.restored.files, collected.removed.files);
                assert_eq!(collected.failed, 0, "{collected:?}");
                writeln!(report, "round {total} {restored} {removed}").unwrap();
            }
            // The one that was killed a moment ago may be a zombie still.
            Err(CollectError::Busy(_)) => std::thread::sleep(Duration::from_millis(5)),
            Err(error) => panic!("{error}"),
        }
    }
}

fn start_collector(path: &Path, rounds: u64) -> Child {
    let rounds = rounds.to_string();
    let variables = [(STORE, path.to_str().unwrap()), (ROUNDS, &rounds)];
    let mut command = child("collect_beside_writers::collector", &variables);
    command.env_remove(WRITER);
    command.stdout(Stdio::piped()).spawn().unwrap()
}

/// Sums up the rounds of a collector until it ends.
fn rounds_of(mut collector: Child) -> [u64; 4] {
    let mut sum = [0; 4];
    for line in BufReader::new(collector.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let Some(numbers) = line.strip_prefix("round ") else {
            continue;
        };
        let numbers: Vec<u64> = numbers
            .split(' ')
            .filter_map(|number| number.parse().ok())
            .collect();
        // The last line may be cut off.
        if let [collected, restored, removed] = numbers[..] {
            sum = [
                sum[0] + 1,
                sum[1] + collected,
                sum[2] + restored,
                sum[3] + removed,
            ];
        }
    }
    collector.wait().unwrap();
    sum
}

/// A folder in memory where there is one: sixteen writers that wait for a disk are one writer.
fn folder() -> tempfile::TempDir {
    let memory = PathBuf::from("/dev/shm");
    tempfile::tempdir_in(&memory)
        .or_else(|_| tempfile::tempdir())
        .unwrap()
}

#[test]
fn no_blob_is_lost_beside_sixteen_writers() {
    let root = folder();
    let path = root.path().join("store");
    Store::open(&path).unwrap();
    let writers: Vec<Child> = (0..WRITERS)
        .map(|number| {
            let number = number.to_string();
            let variables = [(STORE, path.to_str().unwrap()), (WRITER, &number)];
            let mut command = child("collect_beside_writers::writer", &variables);
            command
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    let end = Instant::now() + Duration::from_secs(seconds());
    let mut sum = [0; 4];
    let mut killed = 0;
    let mut chance = Chance(99);
    // One collector comes to its end, the next is killed wherever it is.
    for number in 0.. {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        let mut collector = start_collector(&path, if number % 2 == 0 { 2 } else { u64::MAX });
        if number % 2 == 1 {
            let life = Duration::from_millis(50 + chance.below(4000));
            std::thread::sleep(life.min(left));
            collector.kill().unwrap();
            killed += 1;
        }
        let rounds = rounds_of(collector);
        sum.iter_mut().zip(rounds).for_each(|(sum, round)| *sum += round);
    }
    let mut totals = [0; 3];
    let mut kept = Vec::new();
    for writer in writers {
        let output = writer.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "{text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        for line in text.lines() {
            if let Some(name) = line.strip_prefix("kept ") {
                kept.push(name.to_owned());
            } else if let Some(numbers) = line.strip_prefix("totals ") {
                let numbers = numbers.split(' ').map(|number| number.parse::<u64>().unwrap());
                totals
                    .iter_mut()
                    .zip(numbers)
                    .for_each(|(total, number)| *total += number);
            }
        }
    }
    // Everything unrooted gets old and goes; what runs name stays.
    let store = open(&path);
    for _ in 0..3 {
        std::thread::sleep(Duration::from_millis(3600));
        let last = store.collect(&options()).unwrap();
        let numbers = [1, last.total().files, last.restored.files, last.removed.files];
        sum.iter_mut()
            .zip(numbers)
            .for_each(|(sum, number)| *sum += number);
    }
    let store = open(&path);
    for name in &kept {
        assert_readable(&store, name);
    }
    let verified = store.verify(VerifyDepth::Full).unwrap();
    assert!(verified.is_clean(), "{verified:?}");
    let [rounds, collected, restored, removed] = sum;
    let [puts, published, late] = totals;
    println!(
        "{} s, {WRITERS} writers: {puts} puts, {published} results published ({} kept by runs), {late} too late; \
         {rounds} collections, {killed} collectors killed: {collected} files collected, {restored} put back, \
         {removed} removed; 0 lost",
        seconds(),
        kept.len()
    );
    assert!(
        published > 100 && collected > 50 && removed > 50,
        "nothing happened"
    );
}
