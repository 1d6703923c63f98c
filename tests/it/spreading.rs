//! Several processes on one pipeline: each takes stages that no other computes.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::program::{Ended, ended, run, start};
use crate::workplace::Workplace;

const RUN: [&str; 2] = ["run", "p.yaml"];

const ARMS: usize = 6;
const STAGES: usize = 3;

/// Arms of stages that sleep; the first one of each arm ends no sooner than the file `go` is there.
fn write_arms(folder: &Path, delay_ms: u32) {
    let text = format!(
        "version: 1\nname: arms\nrounds:\n  count: 1\n  for_each: {{arm: [a, b, c, d, e, f]}}\n  stages:\n    \
         first: {{kind: slow, label: 'first-${{arm}}', until: go, delay_ms: {delay_ms}, journal: journal}}\n    \
         second: {{kind: slow, label: 'second-${{arm}}', after: first, delay_ms: {delay_ms}, journal: journal}}\n    \
         third: {{kind: slow, label: 'third-${{arm}}', after: second, delay_ms: {delay_ms}, journal: journal}}\n"
    );
    fs::write(folder.join("p.yaml"), text).unwrap();
}

fn lines(folder: &Path, journal: &str) -> Vec<String> {
    let text = fs::read_to_string(folder.join(journal)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(120), "{what}");
        sleep(Duration::from_millis(2));
    }
}

fn finish(child: Child) -> Ended {
    let ended = ended(child.wait_with_output().unwrap());
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    ended
}

/// Labels and processes of the lines of a journal of slow stages.
fn stages_begun(folder: &Path) -> Vec<(String, String)> {
    let split = |line: String| {
        let (label, process) = line.split_once(' ').unwrap();
        (label.to_owned(), process.to_owned())
    };
    lines(folder, "journal").into_iter().map(split).collect()
}

/// Counts the stages that a run says it computed.
fn computed(ended: &Ended) -> usize {
    let (_, counts) = ended.stdout.rsplit_once(" stages: ").unwrap();
    counts.split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn six_processes_compute_six_arms_at_the_same_time() {
    let place = Workplace::new();
    write_arms(place.path(), 20);
    let children: Vec<Child> = (0..ARMS).map(|_| start(place.path(), &RUN)).collect();
    // No first stage ends before six have begun, which one process after the other would never come to.
    wait_until("six stages at the same time", || {
        lines(place.path(), "journal").len() >= ARMS
    });
    let begun = stages_begun(place.path());
    let processes: BTreeSet<&String> = begun.iter().map(|(_, process)| process).collect();
    assert_eq!(processes.len(), ARMS, "{begun:?}");
    assert!(
        begun.iter().all(|(label, _)| label.starts_with("first-")),
        "{begun:?}"
    );
    fs::write(place.path().join("go"), "").unwrap();
    let ends: Vec<Ended> = children.into_iter().map(finish).collect();

    let all = stages_begun(place.path());
    let labels: BTreeSet<&String> = all.iter().map(|(label, _)| label).collect();
    assert_eq!(
        (all.len(), labels.len()),
        (ARMS * STAGES, ARMS * STAGES),
        "each once: {all:?}"
    );
    assert_eq!(ends.iter().map(computed).sum::<usize>(), ARMS * STAGES);
    assert!(ends.iter().all(|end| computed(end) > 0), "everybody took a part");
    let verified = run(place.path(), &["store", "verify", "--full"]);
    assert_eq!(verified.code, Some(0), "{}", verified.stdout);
    let again = run(place.path(), &RUN);
    assert!(
        again.stdout.contains("0 computed, 18 found in the store"),
        "{}",
        again.stdout
    );
}

#[test]
fn a_process_alone_goes_in_the_order_of_the_pipeline() {
    let place = Workplace::new();
    write_arms(place.path(), 0);
    fs::write(place.path().join("go"), "").unwrap();
    assert_eq!(computed(&run(place.path(), &RUN)), ARMS * STAGES);
    let labels: Vec<String> = stages_begun(place.path())
        .into_iter()
        .map(|(label, _)| label)
        .collect();
    let arms = ["a", "b", "c", "d", "e", "f"].iter();
    let stages = arms.flat_map(|arm| ["first", "second", "third"].map(|stage| format!("{stage}-{arm}")));
    assert_eq!(labels, stages.collect::<Vec<_>>());
}

const COUNT: usize = 40;
const SHARD: usize = 4;

#[test]
fn processes_spread_over_arms_before_they_share_the_items_of_one() {
    let place = Workplace::new();
    let text = format!(
        "version: 1\nname: items\nrounds:\n  count: 1\n  for_each: {{k: [1, 2]}}\n  stages:\n    \
         items: {{kind: numbers, factor: '${{k}}', count: {COUNT}, shard: {SHARD}, delay_ms: 50, \
         journal: 'items_${{k}}'}}\n"
    );
    fs::write(place.path().join("p.yaml"), text).unwrap();
    let count = |arm: u32| lines(place.path(), &format!("items_{arm}")).len();
    let first = start(place.path(), &RUN);
    // So far ahead that it surely finds something left of the other arm.
    wait_until("the first arm", || count(1) > 2 * SHARD);
    let second = start(place.path(), &RUN);
    wait_until("the second arm", || count(2) > 0);
    assert!(count(1) < COUNT, "the second process takes the other arm");
    finish(first);
    finish(second);
    assert_eq!((count(1), count(2)), (COUNT, COUNT), "no item is computed twice");
    let workers = |arm: u32| -> BTreeSet<String> {
        lines(place.path(), &format!("items_{arm}.workers"))
            .into_iter()
            .collect()
    };
    assert_eq!(
        (workers(1).len(), workers(2).len()),
        (1, 2),
        "who is done helps the other"
    );
}

/// A process whose part of a shared stage is done and that would only wait for the part of another.
#[test]
fn who_would_only_wait_in_a_shared_stage_takes_one_that_became_free() {
    let place = Workplace::new();
    let text = "version: 1\nname: leaving\nstages:\n  \
                items: {kind: numbers, count: 41, shard: 40, delay_ms: 250, journal: items}\n  \
                gate: {kind: slow, label: gate, until: open, delay_ms: 0, journal: journal}\n  \
                x: {kind: slow, label: x, after: gate, until: done, delay_ms: 0, journal: journal}\n  \
                y: {kind: slow, label: y, after: gate, delay_ms: 0, journal: journal}\n";
    fs::write(place.path().join("p.yaml"), text).unwrap();
    let has_begun = |label: &str| stages_begun(place.path()).iter().any(|(begun, _)| begun == label);
    let of_items = start(place.path(), &RUN);
    wait_until("the first part", || !lines(place.path(), "items").is_empty());
    let of_gate = start(place.path(), &RUN);
    wait_until("the gate", || has_begun("gate"));
    let waits = start(place.path(), &RUN);
    // The last item is a portion of its own.
    wait_until("the second part", || {
        lines(place.path(), "items").iter().any(|item| item == "40")
    });
    fs::write(place.path().join("open"), "").unwrap();
    wait_until("both that became free", || has_begun("x") && has_begun("y"));
    fs::write(place.path().join("done"), "").unwrap();
    let process = |label: &str| {
        let begun = stages_begun(place.path());
        let (_, process) = begun.into_iter().find(|(begun, _)| begun == label).unwrap();
        process
    };
    let both = [&of_gate, &waits].map(|child| child.id().to_string());
    assert_eq!(
        BTreeSet::from([process("x"), process("y")]),
        BTreeSet::from(both),
        "each took one of the two"
    );
    for child in [of_items, of_gate, waits] {
        finish(child);
    }
    assert_eq!(
        lines(place.path(), "items").len(),
        41,
        "no item is computed twice"
    );
    assert_eq!(stages_begun(place.path()).len(), 3);
}

/// Two shared stages, each with a long portion that its first process is at, and a portion of one item.
#[test]
fn who_would_only_wait_in_a_shared_stage_helps_in_the_next_one() {
    let place = Workplace::new();
    let stage = |name: &str, factor: u32| {
        format!(
            "  {name}: {{kind: numbers, factor: {factor}, count: 41, shard: 40, delay_ms: 250, journal: {name}}}\n"
        )
    };
    let text = format!(
        "version: 1\nname: two\nstages:\n{}{}",
        stage("a", 1),
        stage("b", 2)
    );
    fs::write(place.path().join("p.yaml"), text).unwrap();
    let items = |name: &str| lines(place.path(), name);
    let mut children = Vec::new();
    for name in ["a", "b"] {
        children.push(start(place.path(), &RUN));
        wait_until("the first part", || !items(name).is_empty());
    }
    let helps = start(place.path(), &RUN);
    wait_until("the last item of both", || {
        ["a", "b"]
            .iter()
            .all(|name| items(name).contains(&"40".to_owned()))
    });
    assert!(
        items("a").len() < 41 && items("b").len() < 41,
        "the first parts are still at work"
    );
    for workers in ["a.workers", "b.workers"] {
        assert!(items(workers).contains(&helps.id().to_string()), "{workers}");
    }
    children.push(helps);
    children.into_iter().for_each(|child| drop(finish(child)));
    assert_eq!((items("a").len(), items("b").len()), (41, 41), "no item twice");
}

#[test]
#[ignore = "states times, which say something on a machine that does nothing else"]
fn time_of_six_processes_on_six_arms() {
    const DELAY_MS: u32 = 1000;
    let time = |processes: usize| {
        let place = Workplace::new();
        write_arms(place.path(), DELAY_MS);
        fs::write(place.path().join("go"), "").unwrap();
        let begun = Instant::now();
        let children: Vec<Child> = (0..processes).map(|_| start(place.path(), &RUN)).collect();
        children.into_iter().for_each(|child| drop(finish(child)));
        assert_eq!(stages_begun(place.path()).len(), ARMS * STAGES, "each once");
        begun.elapsed().as_secs_f64()
    };
    let (alone, together) = (time(1), time(ARMS));
    let share = alone / ARMS as f64;
    println!(
        "{ARMS} arms of {STAGES} stages of {DELAY_MS} ms: alone {alone:.2} s, {ARMS} processes {together:.2} s, \
         a sixth of the time alone {share:.2} s, overhead {:.2} s",
        together - share
    );
}
