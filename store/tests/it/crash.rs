//! A writer killed at a random moment leaves a store in which everything it reported is there and nothing is damaged.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;
use std::time::Duration;

use mitune_store::{Checkpoint, FamilyKey, ItemKey, Lookup, Store, Value, VerifyDepth};

use crate::sample::{candidates, child, files, key, preimage, producer, record};

const STORE: &str = "MITUNE_TEST_CRASH_STORE";
const ROUND: &str = "MITUNE_TEST_CRASH_ROUND";

/// Writers killed; the environment may ask for more.
const ROUNDS: &str = "MITUNE_CRASH_ROUNDS";

/// Writers that work on one store, one after the other.
const PER_STORE: u64 = 20;

/// Runs in the child: publishes for ever and reports each thing that is done.
#[test]
fn writer() {
    let (Ok(path), Ok(round)) = (std::env::var(STORE), std::env::var(ROUND)) else {
        return;
    };
    let store = Store::open(path).unwrap();
    let family = FamilyKey::derive(&preimage("family")).unwrap();
    let mut report = std::io::stdout();
    // The test runner leaves its own line open.
    writeln!(report).unwrap();
    for number in 0_u32.. {
        let name = format!("{round}.{number}");
        let numbers: Vec<u32> = (number * 3..number * 3 + 3).collect();
        let items = numbers.iter().map(|n| item(&family, &round, *n)).collect();
        let shard = store
            .shards()
            .publish(&family, candidates(&numbers), items, &producer())
            .unwrap();
        writeln!(report, "shard {}", shard.name()).unwrap();
        let json = store.artifacts().put_json(&(&name, vec![0.5; 3000])).unwrap();
        store
            .records()
            .publish(record(&store, &name, [("out", json.clone())]))
            .unwrap();
        writeln!(report, "record {name}").unwrap();
        let blobs = [("weights".to_owned(), json.file)].into();
        let checkpoint = Checkpoint {
            step: u64::from(number),
            blobs,
            state: name.into(),
            keep: false,
        };
        store
            .records()
            .publish_checkpoint(&key(&round), checkpoint)
            .unwrap();
        writeln!(report, "step {number}").unwrap();
    }
}

#[test]
fn killed_writers_lose_nothing_they_reported() {
    let rounds = std::env::var(ROUNDS).ok().and_then(|text| text.parse().ok());
    let rounds: u64 = rounds.unwrap_or(60);
    let (mut done, mut kept) = (0, 0_u64);
    while done < rounds {
        let group = PER_STORE.min(rounds - done);
        kept += kill_writers(done, group);
        done += group;
    }
    println!("{done} writers killed, {kept} results they had reported");
    assert!(kept >= done / 2, "only {kept} results were reported");
}

/// Kills writers one after the other on a store and returns how many records they reported.
fn kill_writers(first: u64, rounds: u64) -> u64 {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("store");
    let family = FamilyKey::derive(&preimage("family")).unwrap();
    let mut records = Vec::new();
    let mut shards = Vec::new();
    for round in 0..rounds {
        let round_name = (first + round).to_string();
        let mut writer = child(
            "crash::writer",
            &[(STORE, path.to_str().unwrap()), (ROUND, &round_name)],
        )
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
        let mut lines = BufReader::new(writer.stdout.take().unwrap()).lines();
        // The first are killed while they open the store, the others once they are at work.
        let mut reported = Vec::new();
        while round >= 4 && !reported.iter().any(|line: &String| line.starts_with("record")) {
            reported.push(lines.next().unwrap().unwrap());
        }
        // Delays that fall into different steps; the scheduler adds the chance.
        let delay = (first + round).wrapping_mul(2_654_435_761) % 60_000;
        std::thread::sleep(Duration::from_micros(delay));
        writer.kill().unwrap();
        reported.extend(lines.map(Result::unwrap));
        let mut step = None;
        for line in reported {
            match line.split_once(' ') {
                Some(("record", name)) => records.push(name.to_owned()),
                Some(("shard", name)) => shards.push(name.to_owned()),
                Some(("step", number)) => step = Some(number.parse::<u64>().unwrap()),
                _ => {}
            }
        }
        writer.wait().unwrap();

        let store = Store::open(&path).unwrap();
        let latest = store
            .records()
            .latest_checkpoint(&key(&round_name))
            .unwrap()
            .map(|checkpoint| checkpoint.step);
        assert!(
            latest >= step,
            "checkpoint of step {step:?} was reported, found {latest:?}"
        );
        for name in &records {
            assert!(
                matches!(store.records().lookup(&key(name)), Lookup::Hit(_)),
                "record {name} was reported"
            );
        }
        let found: Vec<_> = store
            .shards()
            .of_family(&family)
            .unwrap()
            .iter()
            .map(|shard| shard.name().to_string())
            .collect();
        for name in &shards {
            assert!(found.contains(name), "shard {name} was reported");
        }
        let report = store.verify(VerifyDepth::Full).unwrap();
        assert!(report.is_clean(), "{report:?}");
    }
    assert!(files(&path.join("quarantine")).is_empty());
    records.len() as u64
}

fn item(family: &FamilyKey, round: &str, number: u32) -> ItemKey {
    ItemKey::derive(family, &Value::List(vec![round.into(), number.into()])).unwrap()
}
