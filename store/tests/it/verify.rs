//! What a check of the whole store finds.

use mitune_store::{FamilyKey, Part, Store, VerifyDepth, row_digests};

use crate::corruption::{blob, publish, publish_shard};
use crate::sample::{Damage, candidate_schema, candidates, damage, key, preimage, record};

#[test]
fn verify_finds_what_lookups_never_touched() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let record = publish(&store).into_record();
    let clean = store.verify(VerifyDepth::Full).unwrap();
    assert!(clean.is_clean(), "{clean:?}");
    assert_eq!(
        (clean.records, clean.blobs),
        (2, store.blobs().unwrap().len() as u64)
    );

    let flipped = record.outputs["json"].file;
    damage(&blob(root.path(), &flipped), Damage::Flip);
    let quick = store.verify(VerifyDepth::Quick).unwrap();
    assert!(quick.is_clean(), "a flip does not change a size: {quick:?}");
    let full = store.verify(VerifyDepth::Full).unwrap();
    assert_eq!(full.corrupt.len(), 1, "{full:?}");
    assert_eq!(full.corrupt[0].what, format!("Blob `{}`", flipped.short()));

    std::fs::remove_file(blob(root.path(), &record.outputs["table"].file)).unwrap();
    let quick = store.verify(VerifyDepth::Quick).unwrap();
    let missing: Vec<_> = quick.missing.iter().map(|finding| finding.what.clone()).collect();
    let key = key("all").short();
    assert_eq!(
        missing,
        [
            format!("Output `json` of `pretend` `{key}`"),
            format!("Output `table` of `pretend` `{key}`"),
        ]
    );
}

#[test]
fn full_verification_finds_contents_that_were_claimed_wrongly() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let shard = publish_shard(&store, &FamilyKey::derive(&preimage("family")).unwrap());
    let wrong = row_digests(&candidates(&[4, 5, 6])).unwrap();
    let parts = [Part {
        blob: shard.blob,
        rows: vec![0, 1, 2],
    }];
    let artifact = store.put_parts(&candidate_schema(), &parts, &wrong).unwrap();
    store
        .publish(record(&store, "wrong", [("rows", artifact)]))
        .unwrap();
    assert!(store.verify(VerifyDepth::Quick).unwrap().is_clean());
    let report = store.verify(VerifyDepth::Full).unwrap();
    assert_eq!(report.corrupt.len(), 1, "{report:?}");
    assert!(report.corrupt[0].what.starts_with("Output `rows`"));
}
