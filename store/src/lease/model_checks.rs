//! What holds in every state of [`super::model`].

use std::collections::HashMap;
use std::hash::{Hash, Hasher};

use stateright::{Checker, Model};

use super::model::{Bounds, World};

/// More states than this take too long; a test that meets them must be bounded more tightly.
const MOST_STATES: usize = 1_500_000;

/// Checks that whatever happened, everybody alive can still come to the result; returns the number of states.
///
/// States are known by their fingerprints. One from which the bounds are left is not judged.
fn assert_never_stuck(bounds: &Bounds) -> usize {
    let mut numbers: HashMap<u64, usize> = HashMap::new();
    let mut open: Vec<(usize, World)> = Vec::new();
    let mut sources: Vec<Vec<usize>> = Vec::new();
    let mut good: Vec<bool> = Vec::new();
    let visit = |state: World, open: &mut Vec<_>, sources: &mut Vec<_>, good: &mut Vec<_>| {
        good.push(state.finished());
        sources.push(Vec::new());
        open.push((good.len() - 1, state));
    };
    for state in bounds.init_states() {
        numbers.insert(fingerprint(&state), numbers.len());
        visit(state, &mut open, &mut sources, &mut good);
    }
    while let Some((number, state)) = open.pop() {
        for next in bounds.next_states(&state) {
            if !bounds.within_boundary(&next) {
                good[number] = true;
                continue;
            }
            let count = numbers.len();
            let target = *numbers.entry(fingerprint(&next)).or_insert(count);
            if target == count {
                visit(next, &mut open, &mut sources, &mut good);
            }
            sources[target].push(number);
        }
        assert!(numbers.len() <= MOST_STATES, "the bounds are too wide");
    }
    let mut open: Vec<usize> = (0..good.len()).filter(|number| good[*number]).collect();
    while let Some(number) = open.pop() {
        for &source in &sources[number] {
            if !std::mem::replace(&mut good[source], true) {
                open.push(source);
            }
        }
    }
    let stuck = good.iter().filter(|good| !**good).count();
    assert_eq!(stuck, 0, "states from which nobody can finish, of {}", good.len());
    numbers.len()
}

fn fingerprint(state: &World) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    state.hash(&mut hasher);
    hasher.finish()
}

fn check(bounds: Bounds, impossible: &[&str]) {
    let states = assert_never_stuck(&bounds);
    let checker = bounds.checker().threads(2).spawn_bfs().join();
    println!("{states} states");
    assert!(checker.unique_state_count() >= states.min(1_000));
    for property in checker.model().properties() {
        let refuted = impossible.contains(&property.name);
        if refuted || property.expectation == stateright::Expectation::Always {
            checker.assert_no_discovery(property.name);
        } else {
            checker.assert_any_discovery(property.name);
        }
    }
}

#[test]
fn without_pauses_and_faults_one_computes() {
    let bounds = Bounds {
        processes: 3,
        faults: 0,
        time: false,
        last_epoch: 2,
    };
    check(bounds, &["a lease is lost", "two compute at once"]);
}

#[test]
fn two_processes_under_pauses_and_faults() {
    let bounds = Bounds {
        processes: 2,
        faults: 3,
        time: true,
        last_epoch: 3,
    };
    check(bounds, &[]);
}

#[test]
fn three_processes_under_pauses() {
    let bounds = Bounds {
        processes: 3,
        faults: 0,
        time: true,
        last_epoch: 1,
    };
    check(bounds, &[]);
}

/// Too many states for all of them; the nearest ones hold every way in which two faults meet early.
#[test]
fn three_processes_under_pauses_and_faults() {
    let bounds = Bounds {
        processes: 3,
        faults: 2,
        time: true,
        last_epoch: 2,
    };
    let checker = bounds
        .checker()
        .threads(2)
        .target_state_count(1_500_000)
        .spawn_bfs()
        .join();
    println!("{} states", checker.unique_state_count());
    for property in checker.model().properties() {
        if property.expectation == stateright::Expectation::Always {
            checker.assert_no_discovery(property.name);
        }
    }
}
