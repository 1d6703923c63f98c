//! The store against a map in memory, over random sequences of operations and damage.

use std::collections::BTreeMap;

use mitune_store::{FileDigest, Lookup, Published, Store, StoreError, VerifyDepth};
use proptest::prelude::*;

use crate::sample::{Damage, damage, key, record};

#[derive(Debug, Clone)]
enum Operation {
    Put { content: u8 },
    PutBatch { contents: Vec<u8> },
    Read { content: u8 },
    Delete { content: u8 },
    Damage { content: u8 },
    Publish { name: u8, content: u8 },
    Lookup { name: u8 },
    DamageRecord { name: u8 },
    Reopen,
    Verify,
}

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let content = 0..8_u8;
    let name = 0..4_u8;
    let operation = prop_oneof![
        3 => content.clone().prop_map(|content| Operation::Put { content }),
        1 => prop::collection::vec(content.clone(), 0..6).prop_map(|contents| Operation::PutBatch { contents }),
        3 => content.clone().prop_map(|content| Operation::Read { content }),
        1 => content.clone().prop_map(|content| Operation::Delete { content }),
        2 => content.clone().prop_map(|content| Operation::Damage { content }),
        4 => (name.clone(), content).prop_map(|(name, content)| Operation::Publish { name, content }),
        4 => name.clone().prop_map(|name| Operation::Lookup { name }),
        1 => name.prop_map(|name| Operation::DamageRecord { name }),
        1 => Just(Operation::Reopen),
        1 => Just(Operation::Verify),
    ];
    prop::collection::vec(operation, 1..50)
}

/// The bytes of a pretend result, as JSON so that it can be an artifact too.
fn bytes(content: u8) -> Vec<u8> {
    format!("\"{}\"\n", "7".repeat(usize::from(content) * 40 + 1)).into_bytes()
}

fn file(content: u8) -> FileDigest {
    FileDigest::of(&bytes(content))
}

/// What the store should hold: good blobs, and for each name the content of its record.
#[derive(Debug, Default)]
struct Model {
    blobs: BTreeMap<FileDigest, Vec<u8>>,
    records: BTreeMap<u8, u8>,
}

impl Model {
    fn put(&mut self, content: u8) {
        self.blobs.insert(file(content), bytes(content));
    }

    fn has(&self, content: u8) -> bool {
        self.blobs.contains_key(&file(content))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_store_is_a_map_that_forgets_only_what_was_damaged(operations in operations()) {
        let root = tempfile::tempdir().unwrap();
        let mut store = Store::open(root.path()).unwrap();
        let mut model = Model::default();
        let blob = |content: u8| {
            let name = file(content).to_string();
            root.path().join("blobs").join(&name[..2]).join(&name)
        };
        for operation in operations {
            match operation {
                Operation::Put { content } => {
                    prop_assert_eq!(store.blobs().put_bytes(&bytes(content)).unwrap(), file(content));
                    model.put(content);
                }
                Operation::PutBatch { contents } => {
                    let mut batch = store.records().batch();
                    for content in &contents {
                        prop_assert_eq!(batch.put_bytes(&bytes(*content)).unwrap(), file(*content));
                    }
                    batch.commit().unwrap();
                    contents.into_iter().for_each(|content| model.put(content));
                }
                Operation::Read { content } => match store.blobs().read(&file(content)) {
                    Ok(read) => prop_assert_eq!(Some(&read), model.blobs.get(&file(content))),
                    Err(StoreError::MissingBlob(_) | StoreError::CorruptBlob { .. }) => {
                        prop_assert!(!model.has(content));
                    }
                    Err(error) => prop_assert!(false, "{error}"),
                },
                Operation::Delete { content } => {
                    let _ = std::fs::remove_file(blob(content));
                    model.blobs.remove(&file(content));
                }
                Operation::Damage { content } => {
                    // The same damage twice could undo itself.
                    if model.has(content) {
                        damage(&blob(content), if content % 2 == 0 { Damage::Flip } else { Damage::Truncate });
                    }
                    model.blobs.remove(&file(content));
                }
                Operation::Publish { name, content } => {
                    let artifact = store.artifacts().put_json(&json(content)).unwrap();
                    prop_assert_eq!(artifact.file, file(content));
                    model.put(content);
                    let standing = model.records.get(&name).copied().filter(|content| model.has(*content));
                    let published = store.records().publish(record(&store, &name.to_string(), [("out", artifact)])).unwrap();
                    let winner = standing.unwrap_or(content);
                    prop_assert_eq!(published.clone().into_record().outputs["out"].file, file(winner));
                    prop_assert_eq!(matches!(published, Published::Adopted(_)), standing.is_some() || {
                        // The old record names the same content, which is there again.
                        model.records.get(&name) == Some(&content)
                    });
                    model.records.insert(name, winner);
                }
                Operation::Lookup { name } => {
                    let expected = model.records.get(&name).copied().filter(|content| model.has(*content));
                    match store.records().lookup(&key(&name.to_string())) {
                        Lookup::Hit(record) => {
                            prop_assert_eq!(Some(record.outputs["out"].file), expected.map(file));
                        }
                        Lookup::Miss(reason) => prop_assert!(expected.is_none(), "{reason}"),
                    }
                }
                Operation::DamageRecord { name } => {
                    if model.records.remove(&name).is_some() {
                        let key = key(&name.to_string()).to_string();
                        let path = root.path().join("actions").join(&key[..2]).join(format!("{key}.json"));
                        damage(&path, Damage::Flip);
                    }
                }
                Operation::Reopen => store = Store::open(root.path()).unwrap(),
                Operation::Verify => {
                    store.verify(VerifyDepth::Full).unwrap();
                    // Records without their blobs are no results any more.
                    let lost: Vec<u8> = model.records.iter().filter(|(_, content)| !model.has(**content)).map(|(name, _)| *name).collect();
                    lost.iter().for_each(|name| { model.records.remove(name); });
                    let good: Vec<_> = store.catalog().blobs().unwrap().into_iter().map(|blob| blob.file).collect();
                    for known in model.blobs.keys() {
                        prop_assert!(good.contains(known));
                    }
                    for content in 0..8 {
                        prop_assert_eq!(good.contains(&file(content)), model.has(content));
                    }
                }
            }
        }
    }
}

fn json(content: u8) -> serde_json::Value {
    serde_json::from_slice(&bytes(content)).unwrap()
}
