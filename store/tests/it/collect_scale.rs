//! How long marking takes in a large store, and how much memory. Run by hand:
//! `cargo test --release -p mitune-store --test it collect_scale -- --ignored --nocapture`

use std::fs;
use std::path::Path;
use std::time::Instant;

use mitune_store::{CollectOptions, FileDigest, RunId, RunLog, RunStatus, Store};
use serde_json::json;

use crate::aging::make_all_old;
use crate::sample::child;

const STORE: &str = "MITUNE_TEST_SCALE_STORE";
const RECORDS: &str = "MITUNE_TEST_SCALE_RECORDS";
const STAGES_OF_A_RUN: u64 = 1000;

fn digest(kind: &str, number: u64) -> String {
    FileDigest::of(format!("{kind} {number}").as_bytes()).to_string()
}

/// Writes records as the store does, but without making each durable; a tenth of them is named by no run.
fn fill(path: &Path, records: u64) {
    let store = Store::open(path).unwrap();
    for directory in ["actions", "blobs"] {
        for fan in 0..256 {
            fs::create_dir(path.join(directory).join(format!("{fan:02x}"))).unwrap();
        }
    }
    for number in 0..records {
        let key = digest("key", number);
        let preimage = digest("preimage", number);
        let content = digest("content", number);
        let input = digest("key", number.saturating_sub(1 + number % 3));
        let file = digest("output", number / 1000);
        let record = json!({
            "v": 1, "key": key, "preimage": preimage, "stage": "generate", "stage_rev": 3,
            "outputs": {"candidates": {"kind": "table", "file": file, "content": content, "bytes": 0, "rows": 4000}},
            "inputs": {"prompts": {"content": content, "stage": input}},
            "producer": {"version": "0.1.0", "device": "cuda:0", "dtype": "bf16", "host": "node17"},
            "started": 1_767_225_600_000_u64, "ended": 1_767_229_200_000_u64, "cost_seconds": 3600.5,
            "metrics": {"headline": "4000 candidates, mutual information 41.2", "mi_mean": 41.234},
            "run": "01KDVDRG00AAAAAAAAAAAAAAAA", "check": content,
        });
        let text = serde_json::to_vec_pretty(&record).unwrap();
        fs::write(
            path.join("actions").join(&key[..2]).join(format!("{key}.json")),
            text,
        )
        .unwrap();
        fs::write(path.join("blobs").join(&preimage[..2]).join(&preimage), b"").unwrap();
        if number % 1000 == 0 {
            fs::write(path.join("blobs").join(&file[..2]).join(&file), b"").unwrap();
        }
    }
    for first in (0..records * 9 / 10).step_by(STAGES_OF_A_RUN as usize) {
        let log = RunLog::create(&store, &format!("pipeline {first}")).unwrap();
        log.update(|run| {
            run.stages = (first..(first + STAGES_OF_A_RUN).min(records * 9 / 10))
                .map(|number| {
                    (
                        format!("generate@{number}"),
                        digest("key", number).parse().unwrap(),
                    )
                })
                .collect();
        })
        .unwrap();
        log.finish(RunStatus::Succeeded).unwrap();
        let _: RunId = log.id();
    }
}

/// Runs in a child, whose memory is its own.
#[test]
fn marker() {
    let Ok(path) = std::env::var(STORE) else { return };
    let store = Store::open(path).unwrap();
    let start = Instant::now();
    // Nothing is kept for its age alone, so that roots have to be followed.
    let options = CollectOptions {
        older_than: std::time::Duration::ZERO,
        grace: std::time::Duration::ZERO,
        ..CollectOptions::default()
    };
    let report = store.plan_collection(&options).unwrap();
    let seconds = start.elapsed().as_secs_f64();
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    // Ticks of a hundredth of a second, in this program and in the system.
    let busy: f64 = fields[11..13]
        .iter()
        .map(|ticks| ticks.parse::<f64>().unwrap() / 100.0)
        .sum();
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    println!(
        "\nplanned in {seconds:.1} s, {busy:.1} s of it busy, {peak}; {} records and {} blobs stay, {} files go",
        report.records,
        report.live.files,
        report.total().files
    );
}

#[test]
#[ignore = "writes two files per record, a million by default"]
fn a_million_records_are_marked() {
    let records: u64 = std::env::var(RECORDS).map_or(1_000_000, |text| text.parse().unwrap());
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("store");
    let start = Instant::now();
    fill(&path, records);
    make_all_old(&path, 2);
    println!(
        "{records} records written in {:.1} s",
        start.elapsed().as_secs_f64()
    );
    for _ in 0..2 {
        let output = child("collect_scale::marker", &[(STORE, path.to_str().unwrap())])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{text}");
        println!(
            "{}",
            text.lines().find(|line| line.starts_with("planned")).unwrap()
        );
    }
}
