//! Indexes that are there, gone, damaged or somebody else's.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::guard::{Guard, Request, Silence};
use super::memory::MemoryIndex;
use super::sled_index::SledIndex;
use super::*;

const ID: &str = "01TEST";

fn handle(folder: &Path) -> IndexHandle {
    let choice = IndexChoice::Sled(folder.to_owned());
    IndexHandle::with_deadline(&choice, ID, Duration::from_secs(2))
}

/// Opens an index however slow the disk is, and although its former owner may still be writing its end.
fn patient_handle(folder: &Path) -> IndexHandle {
    let choice = IndexChoice::Sled(folder.to_owned());
    for _ in 0..60 {
        let index = IndexHandle::with_deadline(&choice, ID, Duration::from_secs(60));
        if index.wait() {
            return index;
        }
        drop(index);
        std::thread::sleep(Duration::from_secs(1));
    }
    panic!("the index does not open");
}

fn place(folder: &Path) -> PathBuf {
    folder.join(ID).join("index.sled")
}

fn key(number: u32) -> Vec<u8> {
    [b"k".as_slice(), &number.to_be_bytes()].concat()
}

fn fill(index: &IndexHandle, count: u32) {
    assert!(index.wait());
    index.put_all((0..count).map(|n| (key(n), Some(vec![n as u8; 200]))).collect());
    assert!(index.flush());
}

/// Everything that is there is right; what is lost is lost.
fn assert_nothing_wrong(index: &IndexHandle, count: u32) -> usize {
    let mut found = 0;
    for n in (0..count).step_by(997) {
        if let Some(value) = index.get(key(n)) {
            assert_eq!(value, vec![n as u8; 200]);
            found += 1;
        }
    }
    index.scan(b"k", |pairs| {
        for (key, value) in pairs {
            let n = u32::from_be_bytes(key[1..].try_into().unwrap());
            assert_eq!(value, vec![n as u8; 200]);
        }
        true
    });
    found
}

fn maps() -> (tempfile::TempDir, Vec<Box<dyn Index>>) {
    let folder = tempfile::tempdir().unwrap();
    let sled = SledIndex::open(&folder.path().join("i")).unwrap();
    (folder, vec![Box::new(MemoryIndex::default()), Box::new(sled)])
}

#[test]
fn both_kinds_are_sorted_maps() {
    let (_folder, indexes) = maps();
    for index in indexes {
        let pairs = |prefix: &str, after: Option<&str>, limit| -> Vec<String> {
            let pairs = index
                .prefix(prefix.as_bytes(), after.map(str::as_bytes), limit)
                .unwrap();
            pairs
                .into_iter()
                .map(|(key, _)| String::from_utf8(key).unwrap())
                .collect()
        };
        let put = |names: &[&str]| {
            let changes = names
                .iter()
                .map(|name| (name.as_bytes().to_vec(), Some(b"1".to_vec())));
            index.put_batch(changes.collect()).unwrap();
        };
        put(&["b2", "a", "b1", "c", "b"]);
        assert_eq!(pairs("b", None, 9), ["b", "b1", "b2"]);
        assert_eq!(pairs("b", Some("b"), 1), ["b1"]);
        assert_eq!(pairs("b", Some("b2"), 9), [""; 0]);
        index
            .put_batch(vec![(b"b1".to_vec(), None), (b"b".to_vec(), Some(b"2".to_vec()))])
            .unwrap();
        assert_eq!(pairs("", None, 9), ["a", "b", "b2", "c"]);
        assert_eq!(index.get(b"b").unwrap(), Some(b"2".to_vec()));
        assert_eq!(index.get(b"b1").unwrap(), None);
        index.clear().unwrap();
        assert_eq!(pairs("", None, 9), [""; 0]);
    }
}

#[test]
fn an_index_survives_its_process() {
    let folder = tempfile::tempdir().unwrap();
    let index = patient_handle(folder.path());
    fill(&index, 10_000);
    index.put(b"soon".to_vec(), b"x".to_vec());
    assert_eq!(
        index.get(b"soon".to_vec()).as_deref(),
        Some(b"x".as_slice()),
        "before it is written"
    );
    drop(index);
    let index = patient_handle(folder.path());
    assert_eq!(assert_nothing_wrong(&index, 10_000), 11);
    assert_eq!(index.get(b"soon".to_vec()).as_deref(), Some(b"x".as_slice()));
}

#[test]
fn a_second_owner_does_without_and_spoils_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let first = handle(folder.path());
    fill(&first, 1000);
    let second = handle(folder.path());
    assert!(!second.wait());
    second.put(key(1), b"other".to_vec());
    assert_eq!(second.get(key(1)), None);
    assert!(!second.is_on());
    assert!(place(folder.path()).exists(), "it is not set aside");
    assert_nothing_wrong(&first, 1000);
}

/// Damages a filled index and returns how long its use took afterwards and whether it was set aside.
fn damaged(damage: impl Fn(&Path)) -> (Duration, bool) {
    let folder = tempfile::tempdir().unwrap();
    let place = place(folder.path());
    {
        let index = SledIndex::open(&place).unwrap();
        for part in 0..4 {
            let numbers = part * 5000..(part + 1) * 5000_u32;
            index
                .put_batch(numbers.map(|n| (key(n), Some(vec![n as u8; 200]))).collect())
                .unwrap();
        }
    }
    damage(&place);
    let begun = Instant::now();
    let index = handle(folder.path());
    index.wait();
    for _ in 0..2 {
        assert_nothing_wrong(&index, 20_000);
        index.put(key(7), vec![7; 200]);
        index.flush();
    }
    let time = begun.elapsed();
    let names = std::fs::read_dir(place.parent().unwrap()).unwrap().flatten();
    let aside = names
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("index.bad-"))
        .count();
    (time, aside > 0)
}

fn each_file(place: &Path, name: &str, change: impl Fn(&Path, u64)) {
    for entry in std::fs::read_dir(place).unwrap().flatten() {
        if entry.file_name().to_string_lossy().starts_with(name) {
            change(&entry.path(), entry.metadata().unwrap().len());
        }
    }
}

fn cut(path: &Path, size: u64) {
    std::fs::OpenOptions::new()
        .write(true)
        .open(path)
        .unwrap()
        .set_len(size)
        .unwrap();
}

/// Something that befalls an index.
type Damage = Box<dyn Fn(&Path)>;

#[test]
fn damage_costs_seconds_and_gives_no_wrong_answer() {
    let limit = Duration::from_secs(20);
    let garbage = |path: &Path, size: u64| std::fs::write(path, vec![0xa5; size as usize]).unwrap();
    let cases: [(&str, Damage); 9] = [
        (
            "deleted",
            Box::new(|place| std::fs::remove_dir_all(place).unwrap()),
        ),
        (
            "zero-length snapshot",
            Box::new(|place| each_file(place, "snap.", |path, _| cut(path, 0))),
        ),
        (
            "leftover snapshot",
            Box::new(|place| std::fs::write(place.join("snap.0.generating"), "x").unwrap()),
        ),
        (
            "zero-length db",
            Box::new(|place| each_file(place, "db", |path, _| cut(path, 0))),
        ),
        (
            "truncated db",
            Box::new(|place| each_file(place, "db", |path, size| cut(path, size.saturating_sub(300_000)))),
        ),
        (
            "halved db",
            Box::new(|place| each_file(place, "db", |path, size| cut(path, size / 2))),
        ),
        (
            "garbage db",
            Box::new(move |place| each_file(place, "db", garbage)),
        ),
        (
            "garbage conf",
            Box::new(move |place| each_file(place, "conf", garbage)),
        ),
        (
            "a file in its place",
            Box::new(|place| {
                std::fs::remove_dir_all(place).unwrap();
                std::fs::write(place, "x").unwrap();
            }),
        ),
    ];
    for (name, damage) in cases {
        let (time, aside) = damaged(damage);
        println!("{name}: {time:?}, set aside: {aside}");
        assert!(time < limit, "{name}: {time:?}");
    }
}

#[test]
fn an_index_deleted_under_a_process_is_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let index = handle(folder.path());
    fill(&index, 5000);
    std::fs::remove_dir_all(folder.path()).unwrap();
    assert_nothing_wrong(&index, 5000);
    for n in 0..5000 {
        index.put(key(n), vec![n as u8; 200]);
    }
    index.flush();
    assert_nothing_wrong(&index, 5000);
}

/// An index that fails in a way it is told to.
struct Trouble(&'static str);

impl Index for Trouble {
    fn get(&self, _: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        match self.0 {
            "hang" => loop {
                std::thread::sleep(Duration::from_secs(1));
            },
            "panic" => panic!("page not found"),
            _ => Err(IndexError::Failed("bad page".to_owned())),
        }
    }

    fn put_batch(&self, _: Vec<Change>) -> Result<(), IndexError> {
        Ok(())
    }

    fn prefix(&self, _: &[u8], _: Option<&[u8]>, _: usize) -> Result<Vec<Pair>, IndexError> {
        Ok(Vec::new())
    }

    fn clear(&self) -> Result<(), IndexError> {
        Ok(())
    }
}

#[test]
fn hanging_panicking_and_failing_end_the_use_of_an_index() {
    for how in ["hang", "panic", "fail"] {
        let mut guard = Guard::start(move || Ok(Trouble(how)), Duration::from_millis(200)).unwrap();
        assert_eq!(guard.wait(), Ok(()));
        assert!(guard.ask(Request::Sync).is_ok());
        let begun = Instant::now();
        assert_eq!(
            guard.ask(|answer| Request::Get(Vec::new(), answer)),
            Err(Silence::Broken),
            "{how}"
        );
        assert!(begun.elapsed() < Duration::from_secs(2));
        assert_eq!(guard.ask(Request::Sync), Err(Silence::Broken), "{how}");
    }
}

#[test]
fn nobody_waits_long_for_an_index_to_open() {
    let open = || {
        std::thread::sleep(Duration::from_secs(3600));
        Ok(MemoryIndex::default())
    };
    let mut guard = Guard::start(open, Duration::from_secs(1)).unwrap();
    let begun = Instant::now();
    assert_eq!(guard.ask(Request::Sync), Err(Silence::NotYet));
    assert_eq!(guard.ask(Request::Sync), Err(Silence::NotYet));
    assert!(begun.elapsed() < Duration::from_millis(900));
    assert_eq!(guard.wait(), Err(Silence::Broken));
    assert!(begun.elapsed() < Duration::from_secs(3));
}

#[test]
fn names_of_stores_that_are_no_names_get_no_index() {
    for id in ["", "..", "a/b", "/etc"] {
        let index = IndexHandle::new(&IndexChoice::Sled("/nonexistent".into()), id);
        assert!(!index.is_on(), "{id}");
    }
}
