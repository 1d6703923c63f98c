//! Shards, items and checkpoints in a healthy store.

use mitune_store::{Checkpoint, FamilyKey, ItemKey, Store, StoreError, Value, row_digests};

use crate::sample::{candidates, key, preimage, producer};

fn family(name: &str) -> FamilyKey {
    FamilyKey::derive(&preimage(name)).unwrap()
}

fn items(family: &FamilyKey, numbers: &[u32]) -> Vec<ItemKey> {
    numbers
        .iter()
        .map(|n| ItemKey::derive(family, &Value::from(*n)).unwrap())
        .collect()
}

#[test]
fn items_are_found_across_shards_and_families_stay_apart() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let (one, two) = (family("one"), family("two"));
    for numbers in [[1, 2, 3], [4, 5, 6]] {
        store
            .shards()
            .publish(&one, candidates(&numbers), items(&one, &numbers), &producer())
            .unwrap();
    }
    store
        .shards()
        .publish(&two, candidates(&[1]), items(&two, &[1]), &producer())
        .unwrap();
    let found = Store::open(root.path()).unwrap().shards().items(&one).unwrap();
    assert_eq!(found.len(), 6);
    for number in 1..=6 {
        let place = found[&items(&one, &[number])[0]];
        assert_eq!(place.digest, row_digests(&candidates(&[number])).unwrap()[0]);
        assert_eq!(place.row, (number - 1) % 3);
    }
    assert_eq!(store.shards().items(&two).unwrap().len(), 1);
    assert_eq!(store.shards().items(&family("three")).unwrap().len(), 0);
}

#[test]
fn an_item_keeps_its_row_when_another_shard_brings_it_again() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let family = family("one");
    store
        .shards()
        .publish(&family, candidates(&[1, 2]), items(&family, &[1, 2]), &producer())
        .unwrap();
    let before = store.shards().items(&family).unwrap();
    for extra in 3..9 {
        std::thread::sleep(std::time::Duration::from_millis(2));
        let keys = items(&family, &[extra, 2]);
        store
            .shards()
            .publish(&family, candidates(&[extra, 777]), keys, &producer())
            .unwrap();
        let after = store.shards().items(&family).unwrap();
        assert!(before.iter().all(|(key, place)| after[key] == *place));
    }
}

#[test]
fn the_first_result_of_the_same_items_stays() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let family = family("one");
    let first = store
        .shards()
        .publish(&family, candidates(&[1]), items(&family, &[1]), &producer())
        .unwrap();
    let second = store
        .shards()
        .publish(&family, candidates(&[2]), items(&family, &[1]), &producer())
        .unwrap();
    assert_eq!(first, second);
    assert_eq!(store.shards().of_family(&family).unwrap(), [first]);
}

#[test]
fn rows_and_keys_must_match() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let family = family("one");
    let error = store
        .shards()
        .publish(&family, candidates(&[1, 2]), items(&family, &[1]), &producer())
        .unwrap_err();
    assert!(matches!(error, StoreError::ShardRows { rows: 2, items: 1 }));
    let keys = items(&family, &[1, 1]);
    let error = store
        .shards()
        .publish(&family, candidates(&[1, 2]), keys, &producer())
        .unwrap_err();
    assert!(matches!(error, StoreError::RepeatedItem(_)));
    assert!(store.catalog().blobs().unwrap().is_empty());
}

#[test]
fn the_last_two_checkpoints_and_the_marked_ones_are_kept() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let stage = key("tune");
    assert_eq!(store.records().latest_checkpoint(&stage).unwrap(), None);
    for step in [1, 2, 3, 4, 500_000] {
        let blobs = [(
            "weights".to_owned(),
            store.blobs().put_bytes(&[step as u8]).unwrap(),
        )]
        .into();
        let checkpoint = Checkpoint {
            step,
            blobs,
            state: step.into(),
            keep: step == 2,
        };
        store.records().publish_checkpoint(&stage, checkpoint).unwrap();
        assert_eq!(
            store.records().latest_checkpoint(&stage).unwrap().unwrap().step,
            step
        );
    }
    assert_eq!(store.records().checkpoint_steps(&stage).unwrap(), [2, 4, 500_000]);
    assert!(
        store
            .records()
            .checkpoint_steps(&key("other"))
            .unwrap()
            .is_empty()
    );
    let missing = Checkpoint {
        step: 9,
        blobs: [("weights".to_owned(), mitune_store::FileDigest::of(b"nowhere"))].into(),
        state: serde_json::Value::Null,
        keep: false,
    };
    assert!(matches!(
        store.records().publish_checkpoint(&stage, missing),
        Err(StoreError::MissingBlob(_))
    ));
}
