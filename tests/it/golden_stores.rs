//! Stores of earlier releases, kept in `tests/stores`: this program reads them, and finds everything in them that it would
//! compute alike.

use std::path::{Path, PathBuf};

use mitune_store::{FormatError, Lookup, Store, StoreError, VerifyDepth};

use crate::program::run_real;

/// The store of the latest change of what a stage yields; everything in it is found. Those before it lack columns that
/// candidates have since, so their candidates are generated again.
const LATEST: &str = "0.1.0-modes";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stores")
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn is_latest(name: &str) -> bool {
    name.ends_with(LATEST)
}

/// Calls a function with a copy of the latest store.
fn with_latest_store(check: impl Fn(&str, &Path)) {
    for_each_store(|name, place| {
        if is_latest(name) {
            check(name, place);
        }
    });
}

/// Calls a function with a copy of each kept store.
fn for_each_store(check: impl Fn(&str, &Path)) {
    let mut stores = 0;
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            let place = tempfile::tempdir().unwrap();
            copy(&path, &place.path().join("store"));
            check(&path.display().to_string(), place.path());
            stores += 1;
        }
    }
    assert!(stores >= 3, "a store was not kept");
}

fn run(place: &Path) -> String {
    let pipeline = folder().join("pipeline.yaml");
    let ended = run_real(
        place,
        &[
            "run",
            "--store",
            "store",
            "--device",
            "cpu",
            pipeline.to_str().unwrap(),
        ],
    );
    format!("{:?} {}{}", ended.code, ended.stdout, ended.stderr)
}

#[test]
fn kept_stores_are_clean_and_their_pipeline_finds_everything() {
    for_each_store(|name, place| {
        let store = Store::open(place.join("store")).unwrap();
        let report = store.verify(VerifyDepth::Full).unwrap();
        assert!(report.is_clean(), "{name}: {report:?}");
        let records: Vec<_> = store.catalog().actions().unwrap().collect();
        assert_eq!(records.len(), 5, "{name}");
        for record in &records {
            assert!(
                matches!(store.records().lookup(&record.key), Lookup::Hit(_)),
                "{name}: {}",
                record.stage
            );
            store.records().read_preimage(&record.preimage).unwrap();
        }
        let finetune = records.iter().find(|record| record.stage == "finetune").unwrap();
        // In the newer one they lie in the trash, where they still are found.
        let latest = store.records().latest_checkpoint(&finetune.key).unwrap().unwrap();
        assert_eq!(latest.step, 2, "{name}");
        assert!(!store.runs().list().unwrap().is_empty(), "{name}");

        let said = run(place);
        let of_all = match is_latest(name) {
            true => "5 stages: 0 computed, 5 found in the store",
            // Candidates are made again; their choice and the adapter too where the processor rounds otherwise.
            false => "5 stages: ",
        };
        assert!(
            said.starts_with("Some(0)") && said.contains(of_all),
            "{name}: {said}"
        );
        let nothing = said.contains("0 found") || said.contains("1 found");
        assert!(!nothing, "{name}: prompts are computed as ever: {said}");
        // A checkpoint that was taken out of the trash has its blobs taken out too.
        let report = store.verify(VerifyDepth::Full).unwrap();
        let lost = [report.corrupt, report.missing, report.unreadable].concat();
        assert!(lost.is_empty(), "{name}: {lost:?}");
    });
}

/// Lists the files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = entries
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] })
        .collect();
    found.sort();
    found
}

#[test]
fn candidates_are_found_without_the_record_of_their_stage() {
    with_latest_store(|name, place| {
        let store = Store::open(place.join("store")).unwrap();
        let record = store
            .catalog()
            .actions()
            .unwrap()
            .find(|record| record.stage == "generate")
            .unwrap();
        let of_key = |path: &&PathBuf| {
            path.file_stem()
                .is_some_and(|stem| *stem == *record.key.to_string())
        };
        let actions = files(&place.join("store/actions"));
        std::fs::remove_file(actions.iter().find(of_key).unwrap()).unwrap();
        let shards = files(&place.join("store/shards"));
        let said = run(place);
        assert!(said.contains("1 computed, 4 found"), "{name}: {said}");
        assert_eq!(files(&place.join("store/shards")), shards, "{name}: {said}");
    });
}

/// Changes the description of a store.
fn describe(place: &Path, field: &str, value: u32) {
    let path = place.join("store/FORMAT");
    let mut format: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    format[field] = value.into();
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, format.to_string()).unwrap();
}

#[test]
fn stores_of_programs_to_come_are_read_or_refused_as_they_say() {
    with_latest_store(|name, place| {
        describe(place, "novelty", 7);
        let said = run(place);
        assert!(said.contains("5 stages: 0 computed, 5 found"), "{name}: {said}");

        describe(place, "format", 2);
        describe(place, "min_writer", 2);
        let store = Store::open(place.join("store")).unwrap();
        assert!(store.verify(VerifyDepth::Full).unwrap().is_clean());
        for record in store.catalog().actions().unwrap() {
            assert!(
                matches!(store.records().lookup(&record.key), Lookup::Hit(_)),
                "{name}"
            );
        }
        let error = store.blobs().put_bytes(b"new").unwrap_err();
        assert!(
            matches!(
                error,
                StoreError::Format(FormatError::NeedsNewerWriter { needed: 2, .. })
            ),
            "{error}"
        );
        let said = run(place);
        assert!(
            said.contains("read-only here: it needs a program that writes format 2"),
            "{name}: {said}"
        );
        let status = run_real(place, &["store", "ls", "--store", "store"]);
        assert_eq!(status.code, Some(0), "{name}: {}", status.stderr);

        describe(place, "min_reader", 2);
        let said = run(place);
        assert!(
            said.contains("needs a program that reads format 2"),
            "{name}: {said}"
        );
    });
}
