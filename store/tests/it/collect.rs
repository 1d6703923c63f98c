//! What a collection takes, what it leaves, and how it comes back.

use std::path::Path;

use mitune_store::{
    Checkpoint, CollectError, CollectOptions, FamilyKey, FileDigest, InputRecord, Lookup, Reason, RunId,
    RunLog, RunStatus, StageKey, Store, StoreError, VerifyDepth,
};

use crate::aging::{make_all_old, make_old};
use crate::corruption::{blob, publish_shard};
use crate::sample::{files, key, preimage, record};

/// Publishes a stage that reads another one.
pub(crate) fn stage(store: &Store, name: &str, inputs: &[&str]) -> StageKey {
    let output = store.artifacts().put_json(&format!("result of {name}")).unwrap();
    let content = output.content;
    let mut record = record(store, name, [("out", output)]);
    for input in inputs {
        let stage = Some(key(input));
        record
            .inputs
            .insert((*input).to_owned(), InputRecord { content, stage });
    }
    store.records().publish(record).unwrap();
    key(name)
}

pub(crate) fn run(store: &Store, pipeline: &str, stages: &[&str]) -> RunId {
    let log = RunLog::create(store, pipeline).unwrap();
    log.update(|record| {
        record.stages = stages
            .iter()
            .map(|name| ((*name).to_owned(), key(name)))
            .collect();
    })
    .unwrap();
    log.finish(RunStatus::Succeeded).unwrap();
    log.id()
}

pub(crate) fn is_hit(store: &Store, name: &str) -> bool {
    matches!(store.records().lookup(&key(name)), Lookup::Hit(_))
}

pub(crate) fn output(name: &str) -> FileDigest {
    FileDigest::of(format!("\"result of {name}\"\n").as_bytes())
}

pub(crate) fn has(root: &Path, directory: &str, name: &str) -> bool {
    files(&root.join(directory))
        .iter()
        .any(|path| path.to_str().unwrap().contains(name))
}

#[test]
fn what_no_root_leads_to_goes_to_the_trash_and_a_day_later_for_good() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    stage(&store, "kept", &[]);
    stage(&store, "dead", &[]);
    run(&store, "tiny", &["kept"]);
    let loose = store.blobs().put_bytes(b"nothing names this").unwrap();
    make_all_old(root.path(), 40);
    let young = store.blobs().put_bytes(b"nothing names this yet").unwrap();

    let options = CollectOptions::default();
    let before = files(root.path());
    let plan = store.plan_collection(&options).unwrap();
    assert_eq!(files(root.path()), before, "a plan changes nothing");
    let collected = store.collect(&options).unwrap();
    assert_eq!(plan.collected, collected.collected);
    let counts: Vec<(Reason, u64)> = collected
        .collected
        .iter()
        .map(|(why, amount)| (*why, amount.files))
        .collect();
    assert_eq!(counts, [(Reason::Blob, 3), (Reason::ActionRecord, 1)]);
    assert_eq!(
        (collected.records, collected.live.files, collected.young.files),
        (1, 2, 1)
    );
    assert_eq!(collected.roots.runs, 1);
    assert!(is_hit(&store, "kept"));
    assert_eq!(store.blobs().read(&young).unwrap(), b"nothing names this yet");
    assert!(!blob(root.path(), &loose).exists());
    assert_eq!(files(&root.path().join("trash")).len(), 4);

    let again = store.collect(&options).unwrap();
    assert_eq!(
        (again.waiting.files, again.removed.files),
        (4, 0),
        "not yet: {again:?}"
    );
    make_all_old(&root.path().join("trash"), 2);
    let last = store.collect(&options).unwrap();
    assert_eq!(
        (last.removed.files, last.waiting.files),
        (0, 0),
        "times of files were set, too: {last:?}"
    );
    assert_eq!(
        last.restored.files, 4,
        "what was written two days ago is too young"
    );
    make_all_old(&root.path().join("blobs"), 40);
    make_all_old(&root.path().join("actions"), 40);
    store.collect(&options).unwrap();
    make_all_old(&root.path().join("trash"), 40);
    let last = store.collect(&options).unwrap();
    assert_eq!((last.removed.files, last.waiting.files), (5, 0));
    assert!(files(&root.path().join("trash")).is_empty());
    assert!(!is_hit(&store, "dead"));
    assert!(matches!(
        store.blobs().read(&loose),
        Err(StoreError::MissingBlob(_))
    ));
    assert!(is_hit(&store, "kept"));
    assert!(store.verify(VerifyDepth::Full).unwrap().is_clean());
}

#[test]
fn whoever_needs_something_takes_it_out_of_the_trash() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let family = FamilyKey::derive(&preimage("family")).unwrap();
    let collect = || {
        make_all_old(root.path(), 40);
        let report = store.collect(&CollectOptions::default()).unwrap();
        assert!(files(&root.path().join("blobs")).is_empty(), "{report:?}");
    };
    stage(&store, "dead", &[]);
    collect();
    assert!(is_hit(&store, "dead"));
    collect();
    assert!(matches!(store.records().peek(&key("dead")), Lookup::Hit(_)));
    collect();
    assert_eq!(
        store.blobs().read(&output("dead")).unwrap(),
        b"\"result of dead\"\n"
    );
    collect();
    store.blobs().put_bytes(b"\"result of dead\"\n").unwrap();
    assert!(blob(root.path(), &output("dead")).exists());
    collect();
    let shard = publish_shard(&store, &family);
    collect();
    assert_eq!(store.shards().of_family(&family).unwrap(), [shard]);
    collect();
    let weights = store.blobs().put_bytes(b"weights").unwrap();
    let checkpoint = Checkpoint {
        step: 3,
        blobs: [("weights".to_owned(), weights)].into(),
        state: serde_json::Value::Null,
        keep: false,
    };
    store
        .records()
        .publish_checkpoint(&key("tune"), checkpoint.clone())
        .unwrap();
    collect();
    assert_eq!(
        store.records().latest_checkpoint(&key("tune")).unwrap(),
        Some(checkpoint)
    );
    assert!(store.verify(VerifyDepth::Full).unwrap().is_clean());
}

#[test]
fn a_run_that_names_something_in_the_trash_gets_it_back() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    stage(&store, "before", &[]);
    stage(&store, "after", &["before"]);
    make_all_old(root.path(), 40);
    store.collect(&CollectOptions::default()).unwrap();
    assert!(files(&root.path().join("actions")).is_empty());
    run(&store, "tiny", &["after"]);
    let report = store.collect(&CollectOptions::default()).unwrap();
    // Of the stage before, only the record and its preimage.
    assert_eq!(
        (report.restored.files, report.waiting.files),
        (5, 1),
        "{report:?}"
    );
    assert!(is_hit(&store, "after"));
    assert!(
        root.path()
            .join("actions")
            .join(&key("before").to_string()[..2])
            .exists()
    );
    make_all_old(&root.path().join("trash"), 40);
    store.collect(&CollectOptions::default()).unwrap();
    assert!(!is_hit(&store, "before") && is_hit(&store, "after"));
}

#[test]
fn leftovers_of_the_dead_go_and_those_of_the_living_stay() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let mut writer = store.blobs().writer(None).unwrap();
    std::io::Write::write_all(&mut writer, b"begun").unwrap();
    let own = files(&root.path().join("tmp")).remove(0);
    let owner = own
        .parent()
        .unwrap()
        .file_name()
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned();
    let mut parts = owner.splitn(3, '.');
    let (host, boot) = (parts.next().unwrap(), parts.next().unwrap());
    let mut child = std::process::Command::new("true").spawn().unwrap();
    let dead = child.id();
    child.wait().unwrap();
    let make = |name: String, days: u32| {
        let directory = root.path().join("tmp").join(name);
        std::fs::create_dir(&directory).unwrap();
        std::fs::write(directory.join("0"), b"half").unwrap();
        make_all_old(&directory, days);
        directory
    };
    let cases = [
        (make(format!("{host}.{boot}.{dead}.A"), 0), true),
        (make(format!("{host}.{boot}.{dead}.B"), 2), false),
        (make(format!("{host}.0123456789ab.1.C"), 2), false),
        (make("elsewhere.0123456789ab.1.D".to_owned(), 6), true),
        (make("elsewhere.0123456789ab.1.E".to_owned(), 8), false),
    ];
    make_old(&own, 90);
    make_old(own.parent().unwrap(), 90);
    let old = "blob.01BX5ZZKBKACTAV9WEVGEMMVRZ.name";
    std::fs::write(root.path().join("quarantine").join(old), b"x").unwrap();
    let recent = format!("blob.{}.name", RunId::generate());
    std::fs::write(root.path().join("quarantine").join(&recent), b"x").unwrap();
    make_all_old(&root.path().join("quarantine"), 90);
    let report = store.collect(&CollectOptions::default()).unwrap();
    for (directory, stays) in &cases {
        assert_eq!(directory.exists(), *stays, "{}", directory.display());
    }
    assert!(own.exists());
    assert_eq!(report.collected[&Reason::Staging].files, 3);
    assert!(!has(root.path(), "quarantine", old) && has(root.path(), "quarantine", &recent));
    writer.finish().unwrap();
}

#[test]
fn one_collection_at_a_time_and_a_dead_one_does_not_block() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let turn = root.path().join("trash/collector.json");
    store.collect(&CollectOptions::default()).unwrap();
    assert!(!turn.exists(), "it gives its turn back");
    let claim = |owner: &str, days: u32| {
        std::fs::create_dir_all(root.path().join("trash")).unwrap();
        std::fs::write(&turn, format!("{{\"owner\":\"{owner}\"}}")).unwrap();
        make_old(&turn, days);
    };
    claim("elsewhere.0123456789ab.77.X", 0);
    let error = store.collect(&CollectOptions::default()).unwrap_err();
    assert!(matches!(error, CollectError::Busy(_)), "{error}");
    assert!(
        error.to_string().contains("process 77 on host `elsewhere`"),
        "{error}"
    );
    assert!(store.plan_collection(&CollectOptions::default()).is_ok());
    claim("elsewhere.0123456789ab.77.X", 1);
    store.collect(&CollectOptions::default()).unwrap();
    for garbage in ["", "{", "{\"owner\":\"x\"}"] {
        std::fs::write(&turn, garbage).unwrap();
        let error = store.collect(&CollectOptions::default()).unwrap_err().to_string();
        assert!(
            error.contains("trash/collector.json` does not say which"),
            "{error}"
        );
        assert!(error.ends_with("in 60 minutes"), "{error}");
        make_old(&turn, 1);
        store.collect(&CollectOptions::default()).unwrap();
    }
    assert!(files(&root.path().join("trash")).is_empty());
}

#[test]
fn records_of_a_newer_program_are_not_guessed_at() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    stage(&store, "new", &[]);
    let path = files(&root.path().join("actions")).remove(0);
    let mut record: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    record["v"] = 2.into();
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, record.to_string()).unwrap();
    let error = store.collect(&CollectOptions::default()).unwrap_err();
    assert!(matches!(error, CollectError::Newer { version: 2, .. }), "{error}");
}
