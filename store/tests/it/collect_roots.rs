//! Which roots keep what.

use std::path::Path;

use mitune_store::{
    Checkpoint, CollectError, CollectOptions, KeepRounds, Lookup, PinError, PinTarget, Root, RunLog, Store,
    VerifyDepth,
};

use crate::aging::make_all_old;
use crate::collect::{has, is_hit, output, run, stage};
use crate::corruption::{blob, publish};
use crate::sample::{files, key};

#[test]
fn pins_and_ages_and_numbers_of_runs_keep_things() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    for name in ["a", "b", "c", "d", "e", "f", "g"] {
        stage(&store, name, &[]);
    }
    let first = run(&store, "tiny", &["a"]);
    for stage in ["b", "c"] {
        std::thread::sleep(std::time::Duration::from_millis(3));
        run(&store, "tiny", &[stage]);
    }
    run(&store, "other", &["d"]);
    make_all_old(root.path(), 40);
    stage(&store, "recent", &[]);
    let Lookup::Hit(e) = store.records().lookup(&key("e")) else {
        panic!()
    };
    let artifact = PinTarget::Artifact {
        stage: key("e"),
        artifact: e.outputs["out"].clone(),
    };
    store
        .pins()
        .pin("an-artifact".parse().unwrap(), artifact, "me", None)
        .unwrap();
    let by_key = PinTarget::Stage(key("f"));
    store
        .pins()
        .pin(
            "a-stage".parse().unwrap(),
            by_key.clone(),
            "me",
            Some("for the paper"),
        )
        .unwrap();
    let options = CollectOptions {
        keep_runs: 1,
        ..CollectOptions::default()
    };
    let kept = |expected: &[&str]| {
        store.collect(&options).unwrap();
        let there = |name: &&str| blob(root.path(), &output(name)).exists();
        let found: Vec<_> = ["a", "b", "c", "d", "e", "f", "g", "recent"]
            .into_iter()
            .filter(there)
            .collect();
        assert_eq!(found, expected);
    };
    kept(&["c", "d", "e", "f", "recent"]);

    let why = |name: &str| {
        let chains = store.why(&output(name).to_string()[..16], &options).unwrap();
        chains.into_iter().map(|chain| chain.root).collect::<Vec<_>>()
    };
    assert!(matches!(why("c")[..], [Root::Run(_)]));
    assert_eq!(why("e"), [Root::Pin("an-artifact".parse().unwrap())]);
    assert_eq!(why("recent"), [Root::Recent]);
    assert!(why("a").is_empty());
    let chain = store.why(&output("f").to_string(), &options).unwrap().remove(0);
    let steps: Vec<_> = chain.steps.iter().map(|step| step.what.as_str()).collect();
    assert_eq!(steps, ["stage `pretend`", "output `out`"]);

    // A pin on a run whose results are in the trash.
    store
        .pins()
        .pin("run".parse().unwrap(), PinTarget::Run(first), "me", None)
        .unwrap();
    kept(&["a", "c", "d", "e", "f", "recent"]);
    let names: Vec<_> = store
        .pins()
        .list()
        .unwrap()
        .into_iter()
        .map(|pin| pin.name.to_string())
        .collect();
    assert_eq!(names, ["a-stage", "an-artifact", "run"]);
    assert_eq!(
        store.pins().list().unwrap()[0].why.as_deref(),
        Some("for the paper")
    );
    // The same again is no error, another target is.
    store
        .pins()
        .pin("a-stage".parse().unwrap(), by_key, "you", None)
        .unwrap();
    let taken = store
        .pins()
        .pin("a-stage".parse().unwrap(), PinTarget::Run(first), "me", None);
    assert!(matches!(taken, Err(PinError::Taken(_))));
    store.pins().unpin(&"a-stage".parse().unwrap()).unwrap();
    assert!(matches!(
        store.pins().unpin(&"a-stage".parse().unwrap()),
        Err(PinError::Absent(_))
    ));
    kept(&["a", "c", "d", "e", "recent"]);

    // A pin that cannot be read keeps a collection from beginning.
    let pin = root.path().join("roots/pins/run.json");
    std::fs::remove_file(&pin).unwrap();
    std::fs::write(&pin, "{}").unwrap();
    let error = store.collect(&options).unwrap_err();
    assert!(matches!(error, CollectError::Pin(_)), "{error}");
    assert_eq!(store.verify(VerifyDepth::Quick).unwrap().corrupt.len(), 1);
}

#[test]
fn rounds_intermediates_and_sizes_give_up_results_but_no_records() {
    let round_of = |name: &str| name.split_once('@').and_then(|(_, round)| round.parse().ok());
    let build = || {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        stage(&store, "prompts", &[]);
        stage(&store, "a@1", &["prompts"]);
        stage(&store, "a@2", &["a@1"]);
        stage(&store, "a@3", &["a@2"]);
        run(&store, "tiny", &["prompts", "a@1", "a@2", "a@3"]);
        stage(&store, "older", &[]);
        make_all_old(root.path(), 10);
        (root, store)
    };
    let there = |root: &Path| {
        let names = ["prompts", "a@1", "a@2", "a@3", "older"];
        let there: Vec<_> = names
            .into_iter()
            .filter(|name| blob(root, &output(name)).exists())
            .collect();
        (there, files(&root.join("actions")).len())
    };
    let (root, store) = build();
    let all = CollectOptions::default();
    store.collect(&all).unwrap();
    assert_eq!(
        there(root.path()),
        (vec!["prompts", "a@1", "a@2", "a@3", "older"], 5)
    );

    let rounds = CollectOptions {
        keep_rounds: Some(KeepRounds { newest: 2, round_of }),
        ..all.clone()
    };
    store.collect(&rounds).unwrap();
    assert_eq!(there(root.path()), (vec!["prompts", "a@2", "a@3"], 4));
    let report = store.verify(VerifyDepth::Full).unwrap();
    assert!(
        report.is_clean(),
        "what was dropped on purpose is not lost: {report:?}"
    );
    assert_eq!(report.dropped, 1);
    make_all_old(&root.path().join("trash"), 40);
    store.collect(&rounds).unwrap();
    assert!(!is_hit(&store, "a@1"));
    stage(&store, "a@1", &["prompts"]);
    assert_eq!(store.verify(VerifyDepth::Quick).unwrap().dropped, 0);

    let (root, store) = build();
    let ends = CollectOptions {
        drop_intermediates: true,
        ..all.clone()
    };
    store.collect(&ends).unwrap();
    assert_eq!(there(root.path()), (vec!["a@3"], 4));

    let (root, store) = build();
    run(&store, "second", &["older"]);
    let roomy = CollectOptions {
        max_bytes: Some(100_000),
        ..all.clone()
    };
    store.collect(&roomy).unwrap();
    assert_eq!(there(root.path()).0, ["prompts", "a@1", "a@2", "a@3", "older"]);
    let tight = CollectOptions {
        max_bytes: Some(250),
        ..all
    };
    let report = store.collect(&tight).unwrap();
    assert_eq!(
        (report.roots.runs, report.roots.runs_given_up),
        (1, 1),
        "{report:?}"
    );
    assert_eq!(there(root.path()), (vec!["older"], 1));
    assert!(report.live.bytes <= 250, "{report:?}");
}

#[test]
fn lists_of_blobs_are_followed_and_damage_leads_nowhere() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let record = publish(&store).into_record();
    let log = RunLog::create(&store, "tiny").unwrap();
    log.update(|run| run.stages = [("all".to_owned(), record.key)].into())
        .unwrap();
    make_all_old(root.path(), 40);
    let report = store.collect(&CollectOptions::default()).unwrap();
    assert!(report.collected.is_empty(), "{report:?}");
    // The shard record is kept because its rows are.
    assert_eq!(files(&root.path().join("shards")).len(), 1);
    let part = store.artifacts().members(&record.outputs["parts"]).unwrap()[1].0;
    let chain = store
        .why(&part.to_string(), &CollectOptions::default())
        .unwrap()
        .remove(0);
    let steps: Vec<_> = chain.steps.iter().map(|step| step.what.as_str()).collect();
    assert_eq!(steps, ["stage `pretend`", "output `parts`", "part"]);
    assert!(is_hit(&Store::open(root.path()).unwrap(), "all"));
}

#[test]
fn checkpoints_stay_until_their_stage_is_done() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let checkpoint = |step: u64, keep: bool| {
        let blobs = [(
            "weights".to_owned(),
            store.blobs().put_bytes(&[step as u8; 99]).unwrap(),
        )]
        .into();
        let state = serde_json::Value::Null;
        let checkpoint = Checkpoint {
            step,
            blobs,
            state,
            keep,
        };
        store
            .records()
            .publish_checkpoint(&key("tune"), checkpoint)
            .unwrap();
    };
    checkpoint(1, true);
    checkpoint(2, false);
    checkpoint(3, false);
    run(&store, "tiny", &["tune"]);
    make_all_old(root.path(), 40);
    store.collect(&CollectOptions::default()).unwrap();
    assert_eq!(store.records().checkpoint_steps(&key("tune")).unwrap(), [1, 2, 3]);
    stage(&store, "tune", &[]);
    store.collect(&CollectOptions::default()).unwrap();
    assert_eq!(store.records().checkpoint_steps(&key("tune")).unwrap(), [1]);
    assert!(has(root.path(), "trash", "0000000003.json"));
    assert!(store.verify(VerifyDepth::Full).unwrap().is_clean());
}
