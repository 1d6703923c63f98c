//! Many results made durable together.

use mitune_store::{ActionRecord, Lookup, StageKey, Store, StoreError, Value, VerifyDepth};

use crate::sample::{key, preimage};

fn record(store: &Store, name: &str, output: &impl serde::Serialize) -> (ActionRecord, Value) {
    let value = preimage(name);
    let mut record = ActionRecord::new(
        StageKey::derive(&value).unwrap(),
        mitune_store::FileDigest::of(b"to be filled in"),
        "pretend",
        1,
    );
    record.outputs = [("out".to_owned(), store.artifacts().put_json(output).unwrap())].into();
    (record, value)
}

#[test]
fn records_of_a_batch_are_results_like_others() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let mut batch = store.records().batch();
    for number in 0..200 {
        let (record, value) = record(&store, &number.to_string(), &number);
        batch.put_record(record, &value).unwrap();
    }
    assert!(
        matches!(store.records().lookup(&key("7")), Lookup::Miss(_)),
        "nothing is there before the commit"
    );
    batch.commit().unwrap();
    for number in 0..200 {
        let Lookup::Hit(found) = store.records().lookup(&key(&number.to_string())) else {
            panic!("{number}")
        };
        assert_eq!(
            store.records().read_preimage(&found.preimage).unwrap(),
            preimage(&number.to_string())
        );
        assert_eq!(
            store.artifacts().read_json::<i32>(&found.outputs["out"]).unwrap(),
            number
        );
    }
    assert!(store.verify(VerifyDepth::Full).unwrap().is_clean());
}

#[test]
fn a_batch_refuses_what_publish_refuses_and_adopts_what_it_adopts() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let (first, value) = record(&store, "x", &1);
    let mut batch = store.records().batch();
    assert!(matches!(
        batch.put_record(first.clone(), &preimage("y")),
        Err(StoreError::Preimage { .. })
    ));
    let (mut lost, _) = record(&store, "x", &2);
    let blob = lost.outputs["out"].file;
    std::fs::remove_file(store.blobs().path(&blob).unwrap()).unwrap();
    batch.put_record(lost.clone(), &value).unwrap();
    assert!(matches!(batch.commit(), Err(StoreError::MissingBlob(missing)) if missing == blob));
    assert!(matches!(store.records().lookup(&key("x")), Lookup::Miss(_)));

    for made in [&first, &mut lost] {
        let mut batch = store.records().batch();
        store.artifacts().put_json(&2).unwrap();
        batch.put_record(made.clone(), &value).unwrap();
        batch.commit().unwrap();
    }
    let Lookup::Hit(winner) = store.records().lookup(&key("x")) else {
        panic!()
    };
    assert!(winner.same_results(&first), "the first result stays");
    let divergent = root.path().join("divergent").join(key("x").to_string());
    assert_eq!(std::fs::read_dir(divergent).unwrap().count(), 1);
}
