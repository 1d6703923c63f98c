//! Pushing from a store in which something is damaged: what does not go is told, and nothing names it.

use std::fs;

use mitune_store::{FileDigest, RunLog, RunStatus};

use super::*;
use crate::sample::{Damage, damage};

/// Publishes two results and a run that made both.
fn two_results(store: &Store) -> ([ActionRecord; 2], RunLog) {
    let records = [publish(store, "one", 0..8), publish(store, "two", 20..24)];
    let run = RunLog::create(store, "both").unwrap();
    run.update(|run| {
        let named = records.iter().map(|record| (record.key.to_string(), record.key));
        run.stages = named.collect();
    })
    .unwrap();
    run.finish(RunStatus::Succeeded).unwrap();
    (records, run)
}

fn place() -> (TempDir, Store, Arc<dyn Remote>) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let remote = Arc::new(mitune_store::remote::Folder::new(store.clone()));
    (folder, store, remote)
}

#[test]
fn what_is_damaged_here_is_told_and_its_run_stays() {
    type Named = fn(&ActionRecord) -> FileDigest;
    let spoil: [(&str, Named, Damage); 4] = [
        ("an output", |one| one.outputs["json"].file, Damage::Flip),
        ("a list", |one| one.outputs["folder"].file, Damage::Flip),
        ("a preimage", |one| one.preimage, Damage::Flip),
        ("an empty preimage", |one| one.preimage, Damage::Empty),
    ];
    for (what, blob, how) in spoil {
        let (_p, there, remote) = place();
        let (_a, anna) = store();
        let ([one, two], run) = two_results(&anna);
        let bad = blob(&one);
        damage(&anna.blobs().path(&bad).unwrap(), how);
        // Another process, which has not looked at the blob before.
        let anna = Store::open(anna.root()).unwrap();

        let pushed = push_all(&anna, &upstream(&remote)).unwrap();
        assert_eq!(pushed.incomplete, 1, "{what}: {pushed:?}");
        let text = |part: &str| pushed.left_out.iter().any(|text| text.contains(part));
        assert!(text(&Object::Action(one.key).to_string()), "{what}: {pushed:?}");
        assert!(text(&bad.to_string()), "{what}: {pushed:?}");
        assert!(text("was set aside"), "{what}: {pushed:?}");
        assert!(text(&Object::Run(run.id()).to_string()), "{what}: {pushed:?}");
        let arrived = there.catalog().blobs().unwrap().len() as u64;
        assert_eq!(pushed.blobs, arrived, "{what}");
        assert!(
            matches!(there.records().lookup(&one.key), Lookup::Miss(_)),
            "{what}"
        );
        assert!(
            matches!(there.records().lookup(&two.key), Lookup::Hit(_)),
            "{what}"
        );
        assert!(there.runs().read(&run.id()).is_none(), "{what}");
        assert!(there.verify(VerifyDepth::Full).unwrap().is_clean(), "{what}");

        // The next push says the same, because nothing is better yet.
        let again = push_all(&anna, &upstream(&remote)).unwrap();
        assert_eq!((again.incomplete, again.blobs), (1, 0), "{what}: {again:?}");
        // Computed again, all of it goes.
        publish(&anna, "one", 0..8);
        let whole = push_all(&anna, &upstream(&remote)).unwrap();
        assert!(
            whole.incomplete == 0 && whole.left_out.is_empty(),
            "{what}: {whole:?}"
        );
        assert!(
            matches!(there.records().lookup(&one.key), Lookup::Hit(_)),
            "{what}"
        );
        assert!(there.runs().read(&run.id()).is_some(), "{what}");
    }
}

#[test]
fn a_damaged_record_or_shard_is_told() {
    for folder in ["actions", "shards"] {
        let (_p, there, remote) = place();
        let (_a, anna) = store();
        let (records, run) = two_results(&anna);
        let path = crate::sample::files(&anna.root().join(folder)).remove(0);
        damage(&path, Damage::Flip);
        let wanted = Wanted::Run(run.id());
        let options = TransferOptions::default();
        let pushed = match folder {
            "actions" => push(&anna, &upstream(&remote), &wanted, options, &Unwatched).unwrap(),
            _ => push_all(&anna, &upstream(&remote)).unwrap(),
        };
        let name = path.strip_prefix(anna.root()).unwrap().to_str().unwrap();
        assert!(
            pushed.left_out.iter().any(|text| text.contains(name)),
            "{pushed:?}"
        );
        // A result is whole without the shards that its rows were computed in.
        let results = u64::from(folder == "actions");
        assert_eq!(pushed.incomplete, results, "{pushed:?}");
        assert_eq!(there.runs().read(&run.id()).is_none(), results == 1, "{pushed:?}");
        let hits = records
            .iter()
            .filter(|record| matches!(there.records().lookup(&record.key), Lookup::Hit(_)));
        assert_eq!(hits.count() as u64, 2 - results, "{pushed:?}");
    }
}

#[test]
fn a_push_that_is_only_tried_tells_as_much() {
    let (_p, there, remote) = place();
    let (_a, anna) = store();
    let ([one, _], run) = two_results(&anna);
    let dry = TransferOptions {
        dry_run: true,
        metadata_only: false,
    };
    let tried = push(&anna, &upstream(&remote), &Wanted::All, dry, &Unwatched).unwrap();
    assert!(tried.left_out.is_empty(), "{tried:?}");
    fs::remove_file(anna.blobs().path(&one.outputs["json"].file).unwrap()).unwrap();
    let tried = push(&anna, &upstream(&remote), &Wanted::All, dry, &Unwatched).unwrap();
    assert_eq!((tried.incomplete, tried.left_out.len()), (1, 2), "{tried:?}");
    assert!(tried.left_out[1].contains(&Object::Run(run.id()).to_string()));
    assert!(there.catalog().blobs().unwrap().is_empty());
}
