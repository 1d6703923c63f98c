//! Processes that run one pipeline at the same time are one run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

use crate::program::{Ended, ended, run, start};
use crate::workplace::Workplace;

const RUN: [&str; 2] = ["run", "p.yaml"];

/// Two stages, one after the other; the first one ends no sooner than the file `go` is there.
fn write_pipeline(folder: &Path) {
    let text = "version: 1\nname: shared\nstages:\n  \
                a: {kind: slow, label: a, until: go, delay_ms: 0, journal: journal}\n  \
                b: {kind: slow, label: b, after: a, delay_ms: 0, journal: journal}\n";
    fs::write(folder.join("p.yaml"), text).unwrap();
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(120), "{what}");
        sleep(Duration::from_millis(2));
    }
}

/// Counts the stages that were begun.
fn begun(folder: &Path) -> usize {
    let text = fs::read_to_string(folder.join("journal")).unwrap_or_default();
    text.lines().count()
}

fn runs(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder.join(".mitune/runs")).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// Files of processes that joined a run.
fn member_files(folder: &Path) -> usize {
    let files = runs(folder)
        .into_iter()
        .flat_map(|run| fs::read_dir(run).unwrap());
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("member-")).count()
}

fn finish(child: Child) -> Ended {
    let ended = ended(child.wait_with_output().unwrap());
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    ended
}

fn status(folder: &Path) -> Value {
    let status = run(folder, &["status", "--json"]);
    serde_json::from_str(&status.stdout).unwrap_or_else(|error| panic!("{error}: {status:?}"))
}

fn of_processes(status: &Value) -> Vec<&str> {
    let processes = status["processes"].as_array().unwrap().iter();
    let mut statuses: Vec<&str> = processes
        .map(|process| process["status"].as_str().unwrap())
        .collect();
    statuses.sort_unstable();
    statuses
}

/// Makes everything in the store look as old as this.
fn make_old(directory: &Path, days: u64) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            make_old(&path, days);
        }
        let time = SystemTime::now() - Duration::from_secs(days * 86_400);
        fs::File::open(&path).unwrap().set_modified(time).unwrap();
    }
}

/// Starts two processes, of which the first computes and the second is a member of its run.
fn two_processes(folder: &Path) -> [Child; 2] {
    write_pipeline(folder);
    let founder = start(folder, &RUN);
    wait_until("the first stage", || begun(folder) == 1);
    let member = start(folder, &RUN);
    wait_until("a second process at the run", || member_files(folder) == 1);
    [founder, member]
}

#[test]
fn two_processes_at_once_are_one_run_with_two_members() {
    let place = Workplace::new();
    let [founder, member] = two_processes(place.path());
    let at_work = status(place.path());
    assert_eq!(at_work["status"], "running");
    assert_eq!(of_processes(&at_work), ["running", "running"]);
    fs::write(place.path().join("go"), "").unwrap();
    let (founder, member) = (finish(founder), finish(member));
    assert!(
        member
            .stderr
            .contains(" of `shared`, joined: other processes are at it"),
        "{}",
        member.stderr
    );
    assert!(!founder.stderr.contains("joined"), "{}", founder.stderr);
    assert_eq!(runs(place.path()).len(), 1);
    let ended = status(place.path());
    assert_eq!(ended["status"], "succeeded");
    assert_eq!(of_processes(&ended), ["succeeded", "succeeded"]);
    let stages: Vec<&str> = ended["stages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|stage| stage["state"].as_str().unwrap())
        .collect();
    assert_eq!(stages, ["done", "done"], "computed in this run, by whomever");
    let shown = run(place.path(), &["status"]);
    assert_eq!(shown.stdout.matches("process ").count(), 2, "{}", shown.stdout);
    let verified = run(place.path(), &["store", "verify", "--full"]);
    assert_eq!(verified.code, Some(0), "{}", verified.stdout);

    // The run has ended, so the next one is another.
    assert_eq!(run(place.path(), &RUN).code, Some(0));
    assert_eq!(runs(place.path()).len(), 2);
}

#[test]
fn a_member_goes_on_with_the_run_of_a_founder_that_was_killed() {
    let place = Workplace::new();
    let [mut founder, member] = two_processes(place.path());
    founder.kill().unwrap();
    founder.wait().unwrap();
    wait_until("the member takes over", || begun(place.path()) == 2);
    let at_work = status(place.path());
    assert_eq!(at_work["status"], "running");
    assert_eq!(of_processes(&at_work), ["killed", "running"]);
    fs::write(place.path().join("go"), "").unwrap();
    finish(member);
    let ended = status(place.path());
    assert_eq!(ended["status"], "succeeded");
    assert_eq!(of_processes(&ended), ["killed", "succeeded"]);

    let [run_folder] = <[PathBuf; 1]>::try_from(runs(place.path())).unwrap();
    let founders: Value = serde_json::from_slice(&fs::read(run_folder.join("run.json")).unwrap()).unwrap();
    assert!(
        founders["stages"].get("b").is_none(),
        "only the member came to it"
    );
    make_old(&place.path().join(".mitune"), 40);
    let collected = run(
        place.path(),
        &["store", "gc", "--keep-runs", "1", "--yes", "--json"],
    );
    assert_eq!(collected.code, Some(0), "{}", collected.stderr);
    let collected: Value = serde_json::from_str(&collected.stdout).unwrap();
    let taken = &collected["report"]["collected"];
    for kind in ["action_record", "blob"] {
        assert!(taken.get(kind).is_none(), "{collected}");
    }
    let again = run(place.path(), &RUN);
    assert!(again.stdout.contains("0 computed, 2 found"), "{}", again.stdout);
}

#[test]
fn a_run_with_other_settings_is_not_joined() {
    let place = Workplace::new();
    write_pipeline(place.path());
    let first = start(place.path(), &RUN);
    wait_until("the first process", || begun(place.path()) == 1);
    let second = start(place.path(), &["run", "p.yaml", "--set", "stages.a.label=other"]);
    wait_until("the second process", || begun(place.path()) == 2);
    assert_eq!((runs(place.path()).len(), member_files(place.path())), (2, 0));
    fs::write(place.path().join("go"), "").unwrap();
    for child in [first, second] {
        finish(child);
    }
}

#[test]
fn without_leases_every_process_has_a_run_of_its_own() {
    let place = Workplace::new();
    write_pipeline(place.path());
    let alone = ["run", "p.yaml", "--no-leases"];
    let children = [start(place.path(), &alone), start(place.path(), &alone)];
    wait_until("both", || begun(place.path()) == 2);
    assert_eq!((runs(place.path()).len(), member_files(place.path())), (2, 0));
    fs::write(place.path().join("go"), "").unwrap();
    children.into_iter().for_each(|child| drop(finish(child)));
}
