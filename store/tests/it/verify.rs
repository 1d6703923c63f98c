//! What a check of the whole store finds.

use mitune_store::{CollectOptions, FamilyKey, Lookup, Part, Store, VerifyDepth, VerifyOutcome, row_digests};

use crate::aging::make_all_old;
use crate::corruption::{blob, publish, publish_shard};
use crate::sample::{DAMAGES, Damage, candidate_schema, candidates, damage, files, key, preimage, record};

#[test]
fn verify_finds_what_lookups_never_touched() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let record = publish(&store).into_record();
    let clean = store.verify(VerifyDepth::Full).unwrap();
    assert!(clean.is_clean(), "{clean:?}");
    assert_eq!(
        (clean.records, clean.blobs),
        (2, store.catalog().blobs().unwrap().len() as u64)
    );

    let flipped = record.outputs["json"].file;
    damage(&blob(root.path(), &flipped), Damage::Flip);
    let quick = store.verify(VerifyDepth::Quick).unwrap();
    assert!(quick.is_clean(), "a flip does not change a size: {quick:?}");
    let full = store.verify(VerifyDepth::Full).unwrap();
    assert_eq!(full.corrupt.len(), 1, "{full:?}");
    assert_eq!(full.corrupt[0].what, format!("Blob `{}`", flipped.short()));

    // The record is no result any more, so a second look finds nothing wrong.
    assert!(store.verify(VerifyDepth::Full).unwrap().is_clean());
    assert!(matches!(store.records().lookup(&key("all")), Lookup::Miss(_)));

    publish(&store);
    std::fs::remove_file(blob(root.path(), &flipped)).unwrap();
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
    let artifact = store
        .artifacts()
        .put_parts(&candidate_schema(), &parts, &wrong)
        .unwrap();
    store
        .records()
        .publish(record(&store, "wrong", [("rows", artifact)]))
        .unwrap();
    assert!(store.verify(VerifyDepth::Quick).unwrap().is_clean());
    let report = store.verify(VerifyDepth::Full).unwrap();
    assert_eq!(report.corrupt.len(), 1, "{report:?}");
    assert!(report.corrupt[0].what.starts_with("Output `rows`"));
}

#[test]
fn what_the_trash_or_another_store_has_is_mended() {
    for how in DAMAGES {
        for from_trash in [true, false] {
            let root = tempfile::tempdir().unwrap();
            let store = Store::open(root.path()).unwrap();
            let elsewhere = tempfile::tempdir().unwrap();
            let other = Store::open(elsewhere.path()).unwrap();
            let record = publish(&store).into_record();
            if from_trash {
                // Everything is collected, then a run needs it again and finds copies that are damaged meanwhile.
                make_all_old(root.path(), 40);
                store.collect(&CollectOptions::default()).unwrap();
                let batch = std::fs::read_dir(root.path().join("trash"))
                    .unwrap()
                    .next()
                    .unwrap()
                    .unwrap()
                    .path();
                for trashed in files(&batch) {
                    let place = root.path().join(trashed.strip_prefix(&batch).unwrap());
                    std::fs::copy(&trashed, &place).unwrap();
                    damage(&place, how);
                }
            } else {
                publish(&other);
                files(&root.path().join("blobs"))
                    .iter()
                    .for_each(|path| damage(path, how));
            }
            let sources: &[&dyn mitune_store::RepairSource] = if from_trash { &[] } else { &[&other] };
            let report = store.verify_with(VerifyDepth::Full, sources).unwrap();
            assert_eq!(
                report.outcome(),
                VerifyOutcome::Repaired,
                "{how:?} {from_trash}: {report:?}"
            );
            let count = files(&root.path().join("blobs")).len();
            assert!(report.repaired.len() >= count, "{count} blobs: {report:?}");
            let source = if from_trash {
                "restored from the trash"
            } else {
                "restored from store `"
            };
            assert!(report.repaired[0].reason.contains(source), "{report:?}");
            assert!(store.verify(VerifyDepth::Full).unwrap().is_clean());
            match store.records().lookup(&key("all")) {
                Lookup::Hit(found) => assert_eq!(found.outputs, record.outputs),
                Lookup::Miss(reason) => panic!("{how:?} {from_trash}: {reason}"),
            }
        }
    }
}

#[test]
fn a_sample_reads_its_part_of_the_blobs() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    for number in 0..40_u32 {
        let file = store.blobs().put_bytes(&number.to_le_bytes()).unwrap();
        damage(&blob(root.path(), &file), Damage::Flip);
    }
    let mut found = 0;
    for part in 1..=4 {
        let depth = VerifyDepth::Sample(format!("{part}/4").parse().unwrap());
        let report = store.verify(depth).unwrap();
        // Nothing names them, so nothing is lost.
        assert_eq!(report.outcome(), VerifyOutcome::Repaired);
        assert!(
            (1..40).contains(&report.repaired.len()),
            "{}",
            report.repaired.len()
        );
        found += report.repaired.len();
    }
    assert_eq!(found, 40);
    assert!(files(&root.path().join("blobs")).is_empty());
}

#[test]
fn a_hole_in_place_of_a_blob_is_not_read_to_its_end() {
    let hole = |path: &std::path::Path| {
        std::fs::remove_file(path).unwrap();
        std::fs::File::create(path).unwrap().set_len(1 << 40).unwrap();
    };
    for depth in [VerifyDepth::Quick, VerifyDepth::Full] {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let record = publish(&store).into_record();
        let members = |port: &str| store.artifacts().members(&record.outputs[port]).unwrap();
        let shard = members("parts").last().unwrap().0;
        let outputs = record.outputs.values().map(|artifact| artifact.file);
        let blobs: Vec<_> = outputs.chain([shard, record.preimage]).collect();
        for file in blobs {
            let path = blob(root.path(), &file);
            hole(&path);
            let report = store.verify(depth).unwrap();
            assert_ne!(report.outcome(), VerifyOutcome::Clean, "{report:?}");
            assert!(!path.exists(), "{report:?}");

            publish(&store);
            hole(&path);
            let lookup = store.records().lookup(&key("all"));
            if file == record.preimage {
                store.records().mend_preimage(&record, &preimage("all")).unwrap();
                assert!(matches!(lookup, Lookup::Hit(_)), "{lookup:?}");
            } else {
                assert!(matches!(lookup, Lookup::Miss(_)), "{lookup:?}");
                publish(&store);
            }
            assert!(path.metadata().unwrap().len() < 1 << 20);
            assert!(store.verify(VerifyDepth::Full).unwrap().is_clean());
        }
    }
}

#[test]
fn a_preimage_with_other_bytes_is_written_anew() {
    for how in DAMAGES {
        let root = tempfile::tempdir().unwrap();
        let record = publish(&Store::open(root.path()).unwrap()).into_record();
        damage(&blob(root.path(), &record.preimage), how);
        let store = Store::open(root.path()).unwrap();
        store.records().mend_preimage(&record, &preimage("all")).unwrap();
        assert_eq!(
            store.records().read_preimage(&record.preimage).unwrap(),
            preimage("all")
        );
    }
}

#[test]
fn what_cannot_be_set_aside_is_not_said_to_be() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let record = publish(&store).into_record();
    let (named, unnamed) = (
        record.outputs["json"].file,
        store.blobs().put_bytes(b"nobody's").unwrap(),
    );
    for file in [named, unnamed] {
        damage(&blob(root.path(), &file), Damage::Flip);
    }
    // Only a newer program may write it.
    let format = root.path().join("FORMAT");
    let text = std::fs::read_to_string(&format).unwrap();
    std::fs::remove_file(&format).unwrap();
    std::fs::write(&format, text.replace("\"min_writer\":1", "\"min_writer\":2")).unwrap();

    let store = Store::open(root.path()).unwrap();
    let report = store.verify(VerifyDepth::Full).unwrap();
    assert_eq!(report.outcome(), VerifyOutcome::Lost, "{report:?}");
    assert_eq!(
        (report.repaired.len(), report.corrupt.len()),
        (0, 2),
        "{report:?}"
    );
    for finding in &report.corrupt {
        assert!(finding.reason.ends_with("could not be set aside"), "{finding:?}");
    }
    let error = store.blobs().read(&named).unwrap_err().to_string();
    assert!(
        error.contains("is damaged, and could not be set aside"),
        "{error}"
    );
    assert!(blob(root.path(), &named).exists());
}

#[test]
fn what_cannot_be_listed_is_reported_and_the_rest_is_checked() {
    for place in [
        "blobs/ad",
        "actions",
        "actions/ad",
        "shards",
        "shards/ad",
        "checkpoints/ad",
        "runs",
        "roots/pins",
    ] {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        publish(&store);
        let place = root.path().join(place);
        if place.is_dir() {
            std::fs::remove_dir_all(&place).unwrap();
        }
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::write(&place, b"").unwrap();
        let report = store.verify(VerifyDepth::Full).unwrap();
        assert_eq!(report.outcome(), VerifyOutcome::Lost, "{report:?}");
        assert_eq!(report.unreadable.len(), 1, "{report:?}");
        assert!(
            report.unreadable[0].what.contains(place.to_str().unwrap()),
            "{report:?}"
        );
        assert!(report.blobs > 0);
    }
}

#[test]
fn damaged_tombstones_and_settings_are_told_and_stay() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    publish(&store);
    store.records().forget(&key("all"), "broken").unwrap();
    assert!(store.verify(VerifyDepth::Quick).unwrap().is_clean());
    let tombstones: Vec<_> = files(root.path())
        .into_iter()
        .filter(|path| path.starts_with(root.path().join("invalid")))
        .collect();
    assert!(!tombstones.is_empty());
    for kind in DAMAGES {
        let path = &tombstones[0];
        let good = std::fs::read(path).unwrap();
        damage(path, kind);
        let found = store.verify(VerifyDepth::Quick).unwrap();
        assert_eq!(
            found.corrupt.len() + found.unreadable.len(),
            1,
            "{kind:?}: {found:?}"
        );
        assert!(path.exists(), "it still says not to use the record");
        std::fs::remove_file(path).unwrap();
        std::fs::write(path, good).unwrap();
    }
    std::fs::create_dir_all(root.path().join("remotes")).unwrap();
    std::fs::write(root.path().join("remotes/lab.json"), "{").unwrap();
    let found = store.verify(VerifyDepth::Quick).unwrap();
    assert_eq!(found.corrupt.len(), 1, "{found:?}");
    assert_eq!(found.corrupt[0].what, "Remote `lab`");
}
