//! Several processes on one run. Two logs in one process stand for two processes: the second is no founder either.

use std::path::{Path, PathBuf};

use mitune_store::{
    CollectOptions, LeaseSettings, OpenOptions, PipelineDigest, Query, Root, RunId, RunLog, RunStatus,
    StageKey, Store, Value, VerifyDepth,
};
use serde_json::json;

use crate::aging::make_all_old;
use crate::collect::{is_hit, run, stage};
use crate::sample::{Damage, damage, files, key};

fn digest(text: &str) -> PipelineDigest {
    PipelineDigest::derive(&Value::from(text)).unwrap()
}

fn join(store: &Store, settings: &str) -> RunLog {
    RunLog::join_or_create(store, "tiny", digest(settings)).unwrap()
}

fn name(log: &RunLog, stage: &str) {
    log.update(|run| run.stages = [(stage.to_owned(), key(stage))].into())
        .unwrap();
}

fn member_file(root: &Path, run: &RunId) -> PathBuf {
    let all = files(&root.join("runs").join(run.to_string()));
    let is_member = |path: &&PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.starts_with("member-") && name.ends_with(".json")
    };
    all.iter().find(is_member).unwrap().clone()
}

fn keys(store: &Store, run: &RunId) -> Vec<StageKey> {
    store.runs().read(run).unwrap().stages.into_values().collect()
}

#[test]
fn a_process_joins_the_run_of_its_pipeline_and_leaves_the_founders_record_alone() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let founder = join(&store, "settings");
    assert!(!founder.is_joined());
    name(&founder, "a");
    let record = root.path().join(format!("runs/{}/run.json", founder.id()));
    let before = std::fs::read(&record).unwrap();

    let member = join(&store, "settings");
    assert!(member.is_joined());
    assert_eq!(member.id(), founder.id());
    name(&member, "b");
    member
        .update(|run| run.details = [("tags".to_owned(), json!(["figure"]))].into())
        .unwrap();
    assert_eq!(std::fs::read(&record).unwrap(), before);
    assert_eq!(store.runs().list().unwrap().len(), 1);
    let whole = store.runs().read(&founder.id()).unwrap();
    assert_eq!((whole.status, whole.ended), (RunStatus::Running, None));
    assert_eq!(whole.stages.len(), 2);
    assert_eq!(whole.processes().len(), 2);

    member.finish(RunStatus::Succeeded).unwrap();
    let status = || store.runs().read(&founder.id()).unwrap().status;
    assert_eq!(status(), RunStatus::Running, "the founder is at it");
    founder.finish(RunStatus::Interrupted).unwrap();
    assert_eq!(status(), RunStatus::Succeeded);
    assert!(
        files(&root.path().join("leases")).is_empty(),
        "leases are given back"
    );

    stage(&store, "b", &[]);
    let query = Query {
        tag: Some("figure".to_owned()),
        ..Query::default()
    };
    assert_eq!(store.catalog().query(&query).unwrap().len(), 1);

    let later = join(&store, "settings");
    assert!(!later.is_joined(), "a run that ended is not joined");
    assert_eq!(store.runs().list().unwrap().len(), 2);
}

#[test]
fn other_settings_and_processes_without_leases_have_runs_of_their_own() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let founder = join(&store, "settings");
    let other = join(&store, "other settings");
    assert!(!other.is_joined() && other.id() != founder.id());
    let settings = LeaseSettings {
        enabled: false,
        ..LeaseSettings::default()
    };
    let options = OpenOptions::default().leases(settings);
    let without = Store::open_with(root.path(), options).unwrap();
    let alone = join(&without, "settings");
    assert!(!alone.is_joined());
    alone.finish(RunStatus::Failed).unwrap();
    let member = join(&store, "settings");
    assert_eq!(member.id(), founder.id());
    // A process of that name has its file, and no two write one.
    let third = join(&store, "settings");
    assert!(!third.is_joined() && third.id() != founder.id());
}

#[test]
fn what_only_a_member_names_is_kept_and_found() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    for name in ["a", "b", "dead"] {
        stage(&store, name, &[]);
    }
    run(&store, "tiny", &["dead"]);
    std::thread::sleep(std::time::Duration::from_millis(2));
    let (founder, member) = (join(&store, "settings"), join(&store, "settings"));
    name(&founder, "a");
    name(&member, "b");
    founder.finish(RunStatus::Failed).unwrap();
    member.finish(RunStatus::Interrupted).unwrap();
    assert_eq!(store.runs().read(&member.id()).unwrap().status, RunStatus::Failed);
    make_all_old(root.path(), 40);
    let options = CollectOptions {
        keep_runs: 1,
        ..CollectOptions::default()
    };
    store.collect(&options).unwrap();
    let why = store.why(&key("b").to_string(), &options).unwrap();
    assert_eq!(why[0].root, Root::Run(member.id()), "{why:?}");
    assert!(
        files(&root.path().join("trash"))
            .iter()
            .any(|path| path.to_str().unwrap().contains(&key("dead").to_string()))
    );
    let kept = files(&root.path().join("actions"));
    assert_eq!(kept.len(), 2, "{kept:?}");
    let store = Store::open(root.path()).unwrap();
    assert!(is_hit(&store, "a") && is_hit(&store, "b"));
}

#[test]
fn a_damaged_record_of_one_process_costs_what_only_that_one_named() {
    for spoil_founder in [false, true] {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let (founder, member) = (join(&store, "settings"), join(&store, "settings"));
        name(&founder, "a");
        name(&member, "b");
        for log in [&founder, &member] {
            log.finish(RunStatus::Succeeded).unwrap();
        }
        let id = founder.id();
        let member_file = member_file(root.path(), &id);
        let (path, what, rest) = match spoil_founder {
            true => (
                root.path().join(format!("runs/{id}/run.json")),
                format!("Run `{id}`"),
                key("b"),
            ),
            false => {
                let file = member_file.file_name().unwrap().to_str().unwrap();
                (
                    member_file.clone(),
                    format!("Record `{file}` of run `{id}`"),
                    key("a"),
                )
            }
        };
        damage(&path, Damage::Flip);
        assert_eq!(keys(&store, &id), [rest]);
        let report = store.verify(VerifyDepth::Full).unwrap();
        let corrupt: Vec<&str> = report.corrupt.iter().map(|found| found.what.as_str()).collect();
        assert_eq!(corrupt, [what]);
        assert!(!path.exists(), "it was set aside");
        assert!(store.verify(VerifyDepth::Full).unwrap().is_clean());
        assert_eq!(keys(&store, &id), [rest]);
    }
}

#[test]
fn the_record_of_another_run_in_a_runs_folder_is_damaged() {
    for foreign_founder in [false, true] {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let (founder, member) = (join(&store, "settings"), join(&store, "settings"));
        name(&founder, "a");
        name(&member, "b");
        let other = join(&store, "other settings");
        name(&other, "c");
        for log in [&founder, &member, &other] {
            log.finish(RunStatus::Succeeded).unwrap();
        }
        let id = founder.id();
        let record = |run: &RunId| root.path().join(format!("runs/{run}/run.json"));
        let (path, rest) = match foreign_founder {
            true => (record(&id), key("b")),
            false => (member_file(root.path(), &id), key("a")),
        };
        let foreign = std::fs::read(record(&other.id())).unwrap();
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, foreign).unwrap();

        assert_eq!(keys(&store, &id), [rest]);
        let report = store.verify(VerifyDepth::Full).unwrap();
        let reasons: Vec<&str> = report.corrupt.iter().map(|found| found.reason.as_str()).collect();
        assert_eq!(reasons, [format!("it is the record of run `{}`", other.id())]);
        assert!(!path.exists(), "it was set aside");
        assert!(store.verify(VerifyDepth::Full).unwrap().is_clean());
        assert_eq!(keys(&store, &id), [rest]);
        assert_eq!(keys(&store, &other.id()), [key("c")]);
    }
}

#[test]
fn a_process_elsewhere_of_the_same_name_has_a_run_of_its_own() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let founder = join(&store, "settings");
    // As containers with the name of their host see each other.
    for path in files(&root.path().join("leases")) {
        let mut lease: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        lease["owner"]["namespace"] = json!("pid:[1]");
        std::fs::write(&path, lease.to_string()).unwrap();
    }
    let other = join(&store, "settings");
    assert!(!other.is_joined() && other.id() != founder.id());
}
