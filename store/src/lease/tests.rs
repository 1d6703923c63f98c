//! Leases on a real directory.

use std::path::Path;
use std::time::{Duration, Instant};

use super::content::Content;
use super::*;
use crate::files::Life;
use crate::names::{Digest, LeaseKey};
use crate::open_options::OpenOptions;
use crate::store::Store;

fn open(root: &Path, time_to_live: Duration) -> Store {
    let settings = LeaseSettings {
        time_to_live,
        ..LeaseSettings::default()
    };
    Store::open_with(root, OpenOptions::default().leases(settings)).unwrap()
}

fn key() -> LeaseKey {
    LeaseKey::new(Digest::new([7; 32]))
}

fn mine(claim: Claim) -> Lease {
    match claim {
        Claim::Mine(lease) => lease,
        other => panic!("{other:?}"),
    }
}

fn held(claim: Claim) -> Holder {
    match claim {
        Claim::Held(holder) => holder,
        other => panic!("{other:?}"),
    }
}

fn until(what: &str, mut reached: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !reached() {
        assert!(begun.elapsed() < Duration::from_secs(30), "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn epochs(store: &Store) -> Vec<String> {
    let entries = std::fs::read_dir(store.layout().lease(&key()));
    let names = entries.into_iter().flatten();
    let mut names: Vec<_> = names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Writes the lease file of a process that is not here.
fn write_foreign(store: &Store, epoch: u32, text: &str) {
    let directory = store.layout().lease(&key());
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join(format!("e{epoch}.json")), text).unwrap();
}

const FOREIGN: &str = r#"{"v":1,"owner":{"host":"far","process":9,"started":5,"boot":"b","nonce":"n","job":"77"},"what":"x","counter":0}"#;

#[test]
fn one_holds_and_the_others_are_told_who() {
    let root = tempfile::tempdir().unwrap();
    let [first, second] = [1, 2].map(|_| open(root.path(), Duration::from_secs(60)));
    let lease = mine(first.leases().claim(&key(), "candidates"));
    let holder = held(second.leases().claim(&key(), "candidates"));
    assert_eq!(holder.what, "candidates");
    assert_eq!(holder.owner.as_ref().unwrap().process, std::process::id());
    assert_eq!(first.leases().list().unwrap(), [(key(), holder)]);
    assert!(!lease.lost());
    drop(lease);
    assert!(!first.layout().lease(&key()).exists(), "nothing is left");
    drop(mine(second.leases().claim(&key(), "candidates")));
    let left = std::fs::read_dir(root.path().join("tmp")).unwrap();
    assert_eq!(
        left.flatten()
            .filter(|entry| std::fs::read_dir(entry.path()).unwrap().count() > 0)
            .count(),
        0
    );
}

#[test]
fn a_holder_lives_while_it_is_here_or_its_file_changes() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path(), Duration::from_secs(60));
    let life = || store.leases().holder_life(&key());
    assert_eq!(life(), Life::Unknown, "nobody holds it");
    let lease = mine(store.leases().claim(&key(), "x"));
    let file = store.layout().lease(&key()).join("e0.json");
    let make_old = || {
        let time = std::time::SystemTime::now() - Duration::from_secs(61);
        let file = std::fs::File::open(&file).unwrap();
        file.set_modified(time).unwrap();
    };
    make_old();
    assert_eq!(
        life(),
        Life::Alive,
        "a silent process of this host lives all the same"
    );
    drop(lease);
    write_foreign(&store, 0, FOREIGN);
    assert_eq!(life(), Life::Alive);
    make_old();
    assert_eq!(life(), Life::Dead);
    write_foreign(&store, 0, "{");
    assert_eq!(life(), Life::Unknown);

    let mut child = std::process::Command::new("true").spawn().unwrap();
    let mut gone = Owner::this_process(None);
    gone.process = child.id();
    child.wait().unwrap();
    let content = Content::new(gone, "x").to_bytes();
    write_foreign(&store, 0, &String::from_utf8(content).unwrap());
    assert_eq!(life(), Life::Dead);
}

#[test]
fn signs_of_life_keep_a_lease() {
    let root = tempfile::tempdir().unwrap();
    let [first, second] = [1, 2].map(|_| open(root.path(), Duration::from_millis(400)));
    let lease = mine(first.leases().claim(&key(), "x"));
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(1500) {
        held(second.leases().claim(&key(), "x"));
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(!lease.lost());
}

#[test]
fn a_silent_holder_is_taken_over_after_a_while() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path(), Duration::from_millis(200));
    for content in [FOREIGN, "", "{", "[]", "{\"v\":1}"] {
        write_foreign(&store, 3, content);
        let begun = Instant::now();
        let holder = held(store.leases().claim(&key(), "x"));
        if content == FOREIGN {
            assert_eq!(holder.to_string(), "far:9 (job 77)");
        }
        let mut lease = None;
        until("taken over", || {
            if let Claim::Mine(mine) = store.leases().claim(&key(), "x") {
                lease = Some(mine);
            }
            lease.is_some()
        });
        assert!(
            begun.elapsed() >= Duration::from_millis(200),
            "too early: `{content}`"
        );
        assert_eq!(epochs(&store), ["e4.json"], "the old file is gone");
        drop(lease);
        assert!(epochs(&store).is_empty());
    }
}

#[test]
fn a_dead_process_of_this_host_is_not_waited_for() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path(), Duration::from_secs(3600));
    let mut child = std::process::Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    let own = serde_json::to_value(Owner::this_process(None)).unwrap();
    let mut dead = serde_json::json!({"v": 1, "owner": own, "what": "x", "counter": 3});
    dead["owner"]["process"] = child.id().into();
    write_foreign(&store, 0, &dead.to_string());
    drop(mine(store.leases().claim(&key(), "x")));
    dead["owner"]["process"] = std::process::id().into();
    write_foreign(&store, 0, &dead.to_string());
    held(store.leases().claim(&key(), "x"));
}

#[test]
fn a_holder_that_was_replaced_learns_it_and_removes_nothing_of_others() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path(), Duration::from_millis(100));
    let lease = mine(store.leases().claim(&key(), "x"));
    write_foreign(&store, 1, FOREIGN);
    until("a later epoch", || lease.lost());
    drop(lease);
    assert_eq!(epochs(&store), ["e1.json"]);

    std::fs::remove_dir_all(store.layout().lease(&key())).unwrap();
    let lease = mine(store.leases().claim(&key(), "x"));
    std::fs::remove_file(store.layout().lease(&key()).join("e0.json")).unwrap();
    write_foreign(&store, 0, FOREIGN);
    until("another file under the own name", || lease.lost());
    drop(lease);
    assert_eq!(epochs(&store), ["e0.json"]);
    let text = std::fs::read_to_string(store.layout().lease(&key()).join("e0.json")).unwrap();
    assert_eq!(text, FOREIGN, "signs of life go to the own file only");
}

#[test]
fn one_of_many_threads_gets_a_free_or_abandoned_lease() {
    let root = tempfile::tempdir().unwrap();
    for round in 0..20 {
        let store = open(root.path(), Duration::from_secs(3600));
        if round % 2 == 1 {
            let own = serde_json::to_value(Owner::this_process(None)).unwrap();
            let mut dead = serde_json::json!({"v": 1, "owner": own, "what": "x", "counter": 3});
            dead["owner"]["started"] = 1.into();
            write_foreign(&store, 5, &dead.to_string());
        }
        let barrier = std::sync::Barrier::new(8);
        let winners: Vec<Lease> = std::thread::scope(|scope| {
            let claim = || {
                let store = open(root.path(), Duration::from_secs(3600));
                barrier.wait();
                store.leases().claim(&key(), "x")
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(claim)).collect();
            let claims = threads.into_iter().map(|thread| thread.join().unwrap());
            claims
                .filter_map(|claim| match claim {
                    Claim::Mine(lease) => Some(lease),
                    _ => None,
                })
                .collect()
        });
        assert!(winners.len() <= 1, "{} winners in round {round}", winners.len());
    }
}

#[test]
fn without_leases_work_goes_on() {
    let root = tempfile::tempdir().unwrap();
    let settings = LeaseSettings {
        enabled: false,
        ..LeaseSettings::default()
    };
    let store = Store::open_with(root.path(), OpenOptions::default().leases(settings)).unwrap();
    assert!(matches!(store.leases().claim(&key(), "x"), Claim::Without(None)));
    let absent = Store::open_or_empty(root.path().join("none")).unwrap();
    assert!(matches!(absent.leases().claim(&key(), "x"), Claim::Without(None)));
    // Something stands where directories should be, and nowhere it could be set aside.
    let store = Store::open(root.path()).unwrap();
    for name in ["tmp", "quarantine"] {
        std::fs::remove_dir_all(root.path().join(name)).unwrap();
        std::fs::write(root.path().join(name), "x").unwrap();
    }
    assert!(matches!(
        store.leases().claim(&key(), "x"),
        Claim::Without(Some(_))
    ));
}
