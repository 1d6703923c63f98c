//! Killed, stopped and failed runs.

use std::path::Path;
use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::program::{ended, run, start};
use crate::workplace::Workplace;

const COUNT: usize = 40;
const SHARD: usize = 4;

/// Writes a pipeline of slow items and returns its folder's journal.
fn write_pipeline(folder: &Path, delay_ms: u32) {
    let text = format!(
        "version: 1\nname: slow\nstages:\n  a: {{kind: numbers, count: {COUNT}, shard: {SHARD}, delay_ms: {delay_ms}, \
         journal: journal}}\n  b: {{kind: remainder, of: a, modulo: 1000003}}\n"
    );
    std::fs::write(folder.join("slow.yaml"), text).unwrap();
}

fn journal(folder: &Path) -> usize {
    std::fs::read_to_string(folder.join("journal"))
        .unwrap_or_default()
        .lines()
        .count()
}

/// Waits until some items more are computed.
fn wait_for(folder: &Path, items: usize) {
    let started = Instant::now();
    while journal(folder) < items {
        assert!(started.elapsed() < Duration::from_secs(120), "no progress");
        sleep(Duration::from_millis(2));
    }
}

fn signal(child: &Child, name: &str) {
    let status = std::process::Command::new("kill")
        .arg(format!("-{name}"))
        .arg(child.id().to_string())
        .status();
    assert!(status.unwrap().success());
}

/// Returns the content of the final artifact of a run.
fn contents(folder: &Path) -> Vec<(String, String)> {
    let listed = run(folder, &["store", "ls", "--json"]);
    assert_eq!(listed.code, Some(0), "{}", listed.stderr);
    let listed: Vec<serde_json::Value> = serde_json::from_str(&listed.stdout).unwrap();
    let field = |entry: &serde_json::Value, name: &str| entry[name].as_str().unwrap().to_owned();
    let mut contents: Vec<_> = listed
        .iter()
        .map(|entry| (field(entry, "port"), field(entry, "content")))
        .collect();
    contents.sort();
    contents
}

#[test]
fn a_killed_run_goes_on_where_it_stopped_and_ends_alike() {
    let whole = Workplace::new();
    write_pipeline(whole.path(), 0);
    assert_eq!(run(whole.path(), &["run", "slow.yaml"]).code, Some(0));

    let place = Workplace::new();
    write_pipeline(place.path(), 5);
    let mut kills = 0;
    // Moments spread over the work by a multiplicative sequence: between items, between shards, while publishing.
    for moment in 0..20_u64 {
        let before = journal(place.path());
        let mut child = start(place.path(), &["run", "slow.yaml"]);
        if before < COUNT {
            wait_for(place.path(), (before + 1).min(COUNT));
        }
        sleep(Duration::from_micros(moment * 7919 % 30_000));
        child.kill().unwrap();
        let killed = ended(child.wait_with_output().unwrap());
        kills += usize::from(killed.code.is_none());
    }
    let all = run(place.path(), &["status", "--all"]);
    let told = all.stdout.matches(" killed ").count();
    // Some die before their run is on record, but none that did is said to be running.
    assert!(
        (5..=kills).contains(&told) && !all.stdout.contains(" running "),
        "{}",
        all.stdout
    );
    let last = run(place.path(), &["run", "slow.yaml"]);
    assert_eq!(last.code, Some(0), "{}", last.stderr);
    assert!(kills >= 5, "only {kills} runs were killed in the middle");
    let computed = journal(place.path());
    assert!(
        computed <= COUNT + kills * SHARD,
        "{computed} items for {kills} kills"
    );
    assert_eq!(contents(place.path()), contents(whole.path()));
    let verified = run(place.path(), &["store", "verify", "--full"]);
    assert_eq!(verified.code, Some(0), "{}", verified.stdout);
}

#[test]
fn signals_publish_the_shard_begun_and_have_their_exit_codes() {
    for (name, code) in [("TERM", 143), ("INT", 130)] {
        let place = Workplace::new();
        write_pipeline(place.path(), 20);
        let child = start(place.path(), &["run", "slow.yaml"]);
        wait_for(place.path(), SHARD + 2);
        signal(&child, name);
        let stopped = ended(child.wait_with_output().unwrap());
        assert_eq!(stopped.code, Some(code), "{}", stopped.stderr);
        assert!(
            stopped
                .stderr
                .contains("was interrupted; the same command goes on"),
            "{}",
            stopped.stderr
        );
        let before = journal(place.path());
        assert!(before < COUNT, "stopped too late to tell");
        let status = run(place.path(), &["status"]);
        assert!(status.stdout.contains("interrupted"), "{}", status.stdout);
        assert_eq!(run(place.path(), &["run", "slow.yaml"]).code, Some(0));
        assert_eq!(journal(place.path()), COUNT, "nothing is computed twice");
    }
}

#[test]
fn a_second_signal_ends_the_program_at_once() {
    let place = Workplace::new();
    write_pipeline(place.path(), 3000);
    let child = start(place.path(), &["run", "slow.yaml"]);
    let started = Instant::now();
    // The first item takes three seconds and is not interrupted by the first signal.
    while !place.path().join(".mitune/runs").exists() {
        assert!(started.elapsed() < Duration::from_secs(60), "the run never began");
        sleep(Duration::from_millis(5));
    }
    sleep(Duration::from_millis(300));
    signal(&child, "TERM");
    sleep(Duration::from_millis(200));
    let second = Instant::now();
    signal(&child, "TERM");
    let stopped = ended(child.wait_with_output().unwrap());
    assert_eq!(stopped.code, Some(143), "{}", stopped.stderr);
    assert!(
        second.elapsed() < Duration::from_millis(1500),
        "{:?}",
        second.elapsed()
    );
    assert_eq!(journal(place.path()), 0);
}

#[test]
fn failures_name_the_stage_and_the_cause_and_keep_what_was_done() {
    for (how, code, texts) in [
        (
            "fail",
            1,
            [
                "Error: Stage `t` failed\n",
                "  Caused by: Loss is not a number at step 7\n",
            ],
        ),
        (
            "misconfigured",
            2,
            [
                "bad.yaml:5:3: Stage `t` cannot run\n",
                "  Caused by: The prompts are empty\n",
            ],
        ),
        (
            "disk_full",
            1,
            [
                "Caused by: 1: Cannot write `shard.parquet`\n",
                "Hint: Free some space",
            ],
        ),
        (
            "wrong_output",
            1,
            [
                "declares the outputs `nothing` and yielded `something`",
                "This is a bug in mitune",
            ],
        ),
        (
            "large_record",
            1,
            [
                "Error: Stage `t` was computed, but its record takes ",
                "Hint: Divide the inputs, columns or judges of the stage among several stages",
            ],
        ),
        (
            "panic",
            1,
            [
                "Error: Stage `t` stopped at a bug: index 3 out of bounds\n",
                "Details are in `",
            ],
        ),
    ] {
        let place = Workplace::new();
        let text = format!(
            "version: 1\nname: bad\nstages:\n  a: {{kind: numbers, count: 2}}\n  t: {{kind: trouble, how: {how}}}\n"
        );
        std::fs::write(place.path().join("bad.yaml"), text).unwrap();
        let failed = run(place.path(), &["run", "bad.yaml"]);
        assert_eq!(failed.code, Some(code), "{how}: {}", failed.stderr);
        for text in texts {
            assert!(failed.stderr.contains(text), "{how}: {}", failed.stderr);
        }
        assert!(!failed.stderr.contains("panicked at"), "{how}: {}", failed.stderr);
        assert_eq!(place_contents(&place), 1, "{how}");
        if how == "panic" {
            let file = failed
                .stderr
                .split("Details are in `")
                .nth(1)
                .unwrap()
                .split('`')
                .next()
                .unwrap();
            assert!(
                std::fs::read_to_string(file)
                    .unwrap()
                    .contains("index 3 out of bounds")
            );
        }
    }
}

fn place_contents(place: &Workplace) -> usize {
    contents(place.path()).len()
}
