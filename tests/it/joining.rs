//! Several processes on the same work.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::program::{Ended, command, ended, run};
use crate::workplace::Workplace;

const COUNT: usize = 60;
const SHARD: usize = 4;

fn write_items(folder: &Path, delay_ms: u32) {
    let text = format!(
        "version: 1\nname: items\nstages:\n  a: {{kind: numbers, count: {COUNT}, shard: {SHARD}, delay_ms: {delay_ms}, \
         journal: journal}}\n  b: {{kind: remainder, of: a, modulo: 1000003}}\n"
    );
    std::fs::write(folder.join("p.yaml"), text).unwrap();
}

fn write_whole(folder: &Path, delay_ms: u32) {
    let text = format!(
        "version: 1\nname: whole\nstages:\n  a: {{kind: slow, delay_ms: {delay_ms}, journal: journal}}\n"
    );
    std::fs::write(folder.join("p.yaml"), text).unwrap();
}

fn start(folder: &Path, leases: &str) -> Child {
    let mut command = command(folder, &["run", "p.yaml"]);
    command.env("MITUNE_LEASES", leases);
    command.spawn().unwrap()
}

fn journal(folder: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(folder.join("journal")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn wait_for(folder: &Path, lines: usize) {
    let begun = Instant::now();
    while journal(folder).len() < lines {
        assert!(begun.elapsed() < Duration::from_secs(120), "no progress");
        sleep(Duration::from_millis(2));
    }
}

fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    let status = std::process::Command::new("kill")
        .args([&format!("-{name}"), &pid])
        .status();
    assert!(status.unwrap().success());
}

fn finish(child: Child) -> Ended {
    let ended = ended(child.wait_with_output().unwrap());
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    ended
}

fn files(folder: &Path, name: &str) -> usize {
    fn count(path: &Path) -> usize {
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        entries
            .map(|entry| match entry.path().is_dir() {
                true => count(&entry.path()),
                false => 1,
            })
            .sum()
    }
    count(&folder.join(".mitune").join(name))
}

/// Returns file and content digests of all artifacts, which must be those of a run that nobody disturbed.
fn artifacts(folder: &Path) -> BTreeSet<(String, String)> {
    let listed = run(folder, &["store", "ls", "--json"]);
    let listed: Vec<serde_json::Value> = serde_json::from_str(&listed.stdout).unwrap();
    let field = |entry: &serde_json::Value, name: &str| entry[name].as_str().unwrap().to_owned();
    listed
        .iter()
        .map(|entry| (field(entry, "port"), field(entry, "content")))
        .collect()
}

fn assert_sound(folder: &Path, undisturbed: &BTreeSet<(String, String)>) {
    assert_eq!(&artifacts(folder), undisturbed);
    let verified = run(folder, &["store", "verify", "--full"]);
    assert_eq!(verified.code, Some(0), "{}", verified.stdout);
    assert_eq!(files(folder, "divergent"), 0);
    assert_eq!(files(folder, "quarantine"), 0);
}

fn assert_given_back(folder: &Path) {
    assert_eq!(files(folder, "leases"), 0, "leases are given back");
}

fn undisturbed(write: impl Fn(&Path, u32)) -> BTreeSet<(String, String)> {
    let place = Workplace::new();
    write(place.path(), 0);
    assert_eq!(run(place.path(), &["run", "p.yaml"]).code, Some(0));
    artifacts(place.path())
}

#[test]
fn processes_share_the_items_of_a_stage() {
    let expected = undisturbed(write_items);
    let place = Workplace::new();
    write_items(place.path(), 20);
    let mut children = vec![start(place.path(), "")];
    wait_for(place.path(), SHARD + 1);
    children.extend((0..2).map(|_| start(place.path(), "")));
    children.into_iter().for_each(|child| drop(finish(child)));
    assert_eq!(journal(place.path()).len(), COUNT, "no item is computed twice");
    let workers = std::fs::read_to_string(place.path().join("journal.workers")).unwrap();
    let workers: BTreeSet<&str> = workers.lines().collect();
    assert_eq!(workers.len(), 3, "everybody took a part");
    assert_given_back(place.path());
    assert_sound(place.path(), &expected);
}

#[test]
fn the_portion_of_a_killed_process_is_taken_over_at_once() {
    let expected = undisturbed(write_items);
    let place = Workplace::new();
    write_items(place.path(), 20);
    let first = start(place.path(), "3600");
    wait_for(place.path(), SHARD + 2);
    let second = start(place.path(), "3600");
    wait_for(place.path(), 3 * SHARD);
    signal(&first, "KILL");
    drop(first.wait_with_output());
    finish(second);
    let computed = journal(place.path()).len();
    assert!((COUNT..=COUNT + SHARD).contains(&computed), "{computed}");
    assert_sound(place.path(), &expected);
}

#[test]
fn a_process_that_sleeps_too_long_is_taken_over_from_and_ends_well() {
    for (write, spare) in [
        (write_items as fn(&Path, u32), SHARD),
        (write_whole as fn(&Path, u32), 1),
    ] {
        let expected = undisturbed(write);
        let place = Workplace::new();
        write(place.path(), 30);
        let first = start(place.path(), "0.5");
        wait_for(place.path(), 1);
        signal(&first, "STOP");
        let second = start(place.path(), "0.5");
        let second = finish(second);
        assert!(second.stderr.contains("waiting for "), "{}", second.stderr);
        signal(&first, "CONT");
        finish(first);
        let items = if spare == 1 { 1 } else { COUNT };
        let computed = journal(place.path()).len();
        assert!((items..=items + spare).contains(&computed), "{computed}");
        assert_sound(place.path(), &expected);
    }
}

#[test]
fn whoever_waits_stops_at_once_when_asked() {
    for (write, delay_ms) in [
        (write_items as fn(&Path, u32), 500),
        (write_whole as fn(&Path, u32), 20_000),
    ] {
        let place = Workplace::new();
        write(place.path(), delay_ms);
        // One shard for all items, so that the second process has nothing to take.
        let text = std::fs::read_to_string(place.path().join("p.yaml")).unwrap();
        std::fs::write(
            place.path().join("p.yaml"),
            text.replace("shard: 4", "shard: 100"),
        )
        .unwrap();
        let mut first = start(place.path(), "");
        wait_for(place.path(), 1);
        let second = start(place.path(), "");
        sleep(Duration::from_secs(1));
        let asked = Instant::now();
        signal(&second, "INT");
        let second = ended(second.wait_with_output().unwrap());
        assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
        assert_eq!(second.code, Some(130), "{}", second.stderr);
        let holder = format!("waiting for {}:{}", hostname(), first.id());
        assert!(second.stderr.contains(&holder), "`{holder}`: {}", second.stderr);
        let status = run(place.path(), &["status"]);
        assert!(status.stdout.contains("interrupted"), "{}", status.stdout);
        first.kill().unwrap();
        first.wait().unwrap();
    }
}

fn hostname() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    name.trim().replace(|c: char| !c.is_ascii_alphanumeric(), "-")
}

const CROWD: usize = 64;

#[test]
fn one_of_64_processes_computes_and_63_find_its_result() {
    let expected = undisturbed(write_whole);
    let place = Workplace::new();
    write_whole(place.path(), 3000);
    let crowd: Vec<Child> = (0..CROWD).map(|_| start(place.path(), "3600")).collect();
    let ends: Vec<Ended> = crowd.into_iter().map(finish).collect();
    assert_eq!(journal(place.path()).len(), 1, "computed once");
    assert_given_back(place.path());
    let told = |text: &str| ends.iter().filter(|end| end.stdout.contains(text)).count();
    assert_eq!(told("1 stages: 1 computed, 0 found in the store"), 1);
    assert_eq!(told("1 stages: 0 computed, 1 found in the store"), CROWD - 1);
    assert_sound(place.path(), &expected);
}

#[test]
fn without_leases_64_processes_end_with_one_record() {
    for (write, delay_ms) in [
        (write_whole as fn(&Path, u32), 3000),
        (write_items as fn(&Path, u32), 10),
    ] {
        let expected = undisturbed(write);
        let place = Workplace::new();
        write(place.path(), delay_ms);
        let crowd: Vec<Child> = (0..CROWD).map(|_| start(place.path(), "off")).collect();
        crowd.into_iter().for_each(|child| drop(finish(child)));
        assert!(journal(place.path()).len() > CROWD / 2, "many computed");
        assert_eq!(files(place.path(), "actions"), expected.len().min(2));
        assert_sound(place.path(), &expected);
    }
}
