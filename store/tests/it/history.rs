//! Runs, listings and the search for an earlier computation.

use std::collections::BTreeMap;

use mitune_store::{Lookup, Published, RunLog, RunStatus, StageKey, Store, StoreError, Value, differences};
use serde_json::json;

use crate::sample::{Damage, damage, files, key, preimage, record};

#[test]
fn a_run_is_remembered_with_its_events() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let first = RunLog::create(&store, "tiny").unwrap();
    std::thread::sleep(std::time::Duration::from_millis(2));
    let second = RunLog::create(&store, "tiny").unwrap();
    first
        .update(|run| run.stages = [("generate".into(), key("a"))].into())
        .unwrap();
    for number in 0..3 {
        let fields = BTreeMap::from([("items".to_owned(), json!(number))]);
        first.event("shard_finished", fields).unwrap();
    }
    first.finish(RunStatus::Succeeded).unwrap();

    let runs = Store::open(root.path()).unwrap().runs().list().unwrap();
    assert_eq!(
        runs.iter().map(|run| run.id).collect::<Vec<_>>(),
        [second.id(), first.id()]
    );
    assert_eq!((runs[0].status, runs[0].ended), (RunStatus::Running, None));
    assert_eq!(runs[1].status, RunStatus::Succeeded);
    assert_eq!(runs[1].stages["generate"], key("a"));
    assert!(runs[1].ended >= Some(runs[1].started));

    let log = files(&root.path().join("runs").join(first.id().to_string()))
        .into_iter()
        .find(|path| path.extension().is_some_and(|extension| extension == "ndjson"))
        .unwrap();
    let text = std::fs::read(&log).unwrap();
    std::fs::write(&log, &text[..text.len() - 5]).unwrap();
    let events = store.runs().events(&first.id()).unwrap();
    let items: Vec<_> = events.iter().map(|event| event.fields["items"].clone()).collect();
    assert_eq!(items, [json!(0), json!(1)], "the line cut off is left out");

    damage(
        &root
            .path()
            .join("runs")
            .join(second.id().to_string())
            .join("run.json"),
        Damage::Truncate,
    );
    assert_eq!(store.runs().list().unwrap().len(), 1);
}

#[test]
fn artifacts_are_listed_and_found_by_either_digest() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    for name in ["a", "b"] {
        let artifact = store.artifacts().put_json(&name).unwrap();
        store
            .records()
            .publish(record(&store, name, [("out", artifact)]))
            .unwrap();
    }
    let listed = store.catalog().artifacts().unwrap();
    assert_eq!(listed.len(), 2);
    let wanted = listed[1].artifact.clone();
    for digits in [wanted.file.to_string(), wanted.content.short()] {
        let found = store.catalog().find_artifacts(&digits).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].artifact, wanted);
        assert_eq!(
            (found[0].stage.as_str(), found[0].port.as_str()),
            ("pretend", "out")
        );
    }
    assert_eq!(store.catalog().actions().unwrap().count(), 2);
}

#[test]
fn a_different_result_is_kept_apart_and_an_equal_one_is_not() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let publish = |value: u32| {
        let artifact = store.artifacts().put_json(&value).unwrap();
        store
            .records()
            .publish(record(&store, "one", [("out", artifact)]))
            .unwrap()
    };
    let first = publish(1);
    assert!(matches!(first, Published::Won(_)));
    let first = first.into_record();
    assert_eq!(publish(1), Published::Adopted(first.clone()));
    assert!(files(&root.path().join("divergent")).is_empty());
    assert_eq!(publish(2), Published::Adopted(first.clone()));
    assert_eq!(files(&root.path().join("divergent")).len(), 1);
    assert!(matches!(store.records().lookup(&key("one")), Lookup::Hit(found) if *found == first));
}

#[test]
fn a_result_whose_blobs_were_collected_gives_way() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let publish = |value: u32| {
        let artifact = store.artifacts().put_json(&value).unwrap();
        store
            .records()
            .publish(record(&store, "one", [("out", artifact)]))
            .unwrap()
    };
    let first = publish(1).into_record();
    let name = first.outputs["out"].file.to_string();
    std::fs::remove_file(root.path().join("blobs").join(&name[..2]).join(&name)).unwrap();
    assert!(matches!(store.records().lookup(&key("one")), Lookup::Miss(_)));
    assert!(
        matches!(publish(2), Published::Won(_)),
        "computed again, with another result"
    );
    assert_eq!(
        files(&root.path().join("divergent")).len(),
        1,
        "the old record is history"
    );
}

#[test]
fn records_that_cannot_be_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let artifact = store.artifacts().put_json(&1).unwrap();
    let mut wrong = record(&store, "one", [("out", artifact.clone())]);
    wrong.key = key("two");
    assert!(matches!(
        store.records().publish(wrong),
        Err(StoreError::Preimage { .. })
    ));
    let mut missing = record(&store, "one", [("out", artifact.clone())]);
    missing.outputs.get_mut("out").unwrap().file = mitune_store::FileDigest::of(b"nowhere");
    assert!(matches!(
        store.records().publish(missing),
        Err(StoreError::MissingBlob(_))
    ));
    let mut large = record(&store, "one", [("out", artifact.clone())]);
    large.metrics.insert("curve".into(), json!(vec![0.5; 20_000]));
    assert!(matches!(
        store.records().publish(large),
        Err(StoreError::RecordSize { limit: 65536, .. })
    ));
    let mut nan = record(&store, "one", [("out", artifact)]);
    nan.cost_seconds = f64::NAN;
    assert!(matches!(
        store.records().publish(nan),
        Err(StoreError::Canonical(_))
    ));
    assert!(matches!(
        store.records().lookup(&key("one")),
        Lookup::Miss(mitune_store::MissReason::NotRecorded)
    ));
}

#[test]
fn the_nearest_computation_explains_a_new_key() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let stage = |steps: i64, guidance: f64| {
        Value::map([
            ("kind", Value::from("pretend")),
            ("steps", Value::Int(steps)),
            ("guidance", Value::Float(guidance)),
        ])
    };
    let publish = |value: &Value| {
        let mut made = record(&store, "x", [("out", store.artifacts().put_json(&1).unwrap())]);
        made.preimage = store.records().put_preimage(value).unwrap();
        made.key = StageKey::derive(value).unwrap();
        store.records().publish(made).unwrap();
    };
    let wanted = stage(50, 9.0);
    let nearest = |kind| {
        let earlier = store
            .catalog()
            .history()
            .unwrap()
            .nearest(kind, "generate", &wanted)
            .unwrap();
        earlier.map(|earlier| earlier.preimage)
    };
    assert_eq!(nearest("pretend"), None);
    publish(&stage(20, 3.0));
    publish(&stage(50, 7.0));
    publish(&wanted);
    // Without a run of that name: the one with the fewest differences, and not the value itself.
    assert_eq!(nearest("pretend"), Some(stage(50, 7.0)));
    let run = RunLog::create(&store, "tiny").unwrap();
    let earlier = StageKey::derive(&stage(20, 3.0)).unwrap();
    run.update(|run| run.stages = [("generate".into(), earlier)].into())
        .unwrap();
    let found = nearest("pretend").unwrap();
    let paths: Vec<_> = differences(&found, &wanted).into_iter().map(|d| d.path).collect();
    assert_eq!(paths, ["guidance", "steps"]);
    assert_eq!(nearest("another"), None);
    assert_eq!(preimage("x").get("kind"), Some(&Value::from("pretend")));
}
