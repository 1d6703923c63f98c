//! What leaves the store, and names that may not.

use std::collections::BTreeMap;

use mitune_store::{ArtifactKind, DirectoryEntry, NameError, Store, StoreError, TensorBytes};

use crate::sample::{Damage, candidate_schema, candidates, damage, files};

fn text(content: &str) -> DirectoryEntry {
    DirectoryEntry::Bytes(content.as_bytes().to_vec())
}

#[test]
fn files_and_directories_come_out_as_they_went_in() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path().join("store")).unwrap();
    let out = root.path().join("new/folder");

    let table = store
        .artifacts()
        .put_table(&candidate_schema(), [candidates(&[1, 2])])
        .unwrap();
    store.artifacts().export(&table, &out.join("t.parquet")).unwrap();
    assert_eq!(
        std::fs::read(out.join("t.parquet")).unwrap(),
        store.blobs().read(&table.file).unwrap()
    );
    let tensor = TensorBytes {
        dtype: safetensors::Dtype::U8,
        shape: vec![2],
        data: vec![1, 2],
    };
    let tensors = BTreeMap::from([("w".to_owned(), tensor)]);
    let artifact = store.artifacts().put_tensors(&tensors, &BTreeMap::new()).unwrap();
    // A file that is there is replaced.
    store
        .artifacts()
        .export(&artifact, &out.join("t.parquet"))
        .unwrap();
    let bytes = std::fs::read(out.join("t.parquet")).unwrap();
    assert_eq!(
        safetensors::SafeTensors::deserialize(&bytes)
            .unwrap()
            .tensor("w")
            .unwrap()
            .data(),
        [1, 2]
    );

    let blob = store.blobs().put_bytes(b"weights").unwrap();
    let entries = [
        ("unet/config.json".to_owned(), text("{}")),
        ("unet/w.safetensors".to_owned(), DirectoryEntry::Blob(blob)),
        ("model_index.json".to_owned(), text("[]")),
    ];
    let directory = store.artifacts().put_directory(&entries).unwrap();
    assert_eq!(directory.kind, ArtifactKind::Directory);
    store.artifacts().export(&directory, &out.join("model")).unwrap();
    assert_eq!(
        std::fs::read(out.join("model/unet/w.safetensors")).unwrap(),
        b"weights"
    );
    assert_eq!(files(&out.join("model")).len(), 3);
    let names: Vec<_> = store
        .artifacts()
        .read_directory(&directory)
        .unwrap()
        .into_iter()
        .map(|file| file.name)
        .collect();
    assert_eq!(
        names,
        ["model_index.json", "unet/config.json", "unet/w.safetensors"]
    );

    // The order of the entries is no content.
    let mut turned = entries.clone();
    turned.reverse();
    assert_eq!(store.artifacts().put_directory(&turned).unwrap(), directory);
    let page = store.artifacts().put_html("<p>").unwrap();
    store.artifacts().export(&page, &out.join("page.html")).unwrap();
    assert_eq!(std::fs::read(out.join("page.html")).unwrap(), b"<p>");
}

#[test]
fn a_directory_in_use_is_left_alone_and_an_empty_one_taken() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path().join("store")).unwrap();
    let directory = store
        .artifacts()
        .put_directory(&[("a".to_owned(), text("1"))])
        .unwrap();
    let out = root.path().join("out");
    std::fs::create_dir(&out).unwrap();
    store.artifacts().export(&directory, &out).unwrap();
    let error = store.artifacts().export(&directory, &out).unwrap_err();
    assert!(matches!(error, StoreError::ExportExists(_)), "{error}");
    let json = store.artifacts().put_json(&1).unwrap();
    assert!(matches!(
        store.artifacts().export(&json, &out),
        Err(StoreError::ExportExists(_))
    ));
    assert_eq!(files(&out), [out.join("a")]);
}

#[test]
fn a_failed_export_leaves_nothing() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path().join("store")).unwrap();
    let entries = [("a".to_owned(), text("good")), ("b".to_owned(), text("bad"))];
    let directory = store.artifacts().put_directory(&entries).unwrap();
    let damaged = files(&root.path().join("store/blobs"))
        .into_iter()
        .find(|path| std::fs::read(path).unwrap() == b"bad")
        .unwrap();
    damage(&damaged, Damage::Flip);
    let out = root.path().join("out");
    std::fs::create_dir(&out).unwrap();
    let error = store
        .artifacts()
        .export(&directory, &out.join("model"))
        .unwrap_err();
    assert!(matches!(error, StoreError::CorruptBlob { .. }), "{error}");
    assert_eq!(std::fs::read_dir(&out).unwrap().count(), 0);
}

#[test]
fn hostile_names_are_refused_going_in_and_coming_out() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path().join("store")).unwrap();
    let long = "x".repeat(300);
    for name in [
        "../escape",
        "/etc/passwd",
        "a/../../b",
        "nul\0byte",
        &long,
        "",
        "a//b",
        "line\nbreak",
    ] {
        let error = store
            .artifacts()
            .put_directory(&[(name.to_owned(), text("x"))])
            .unwrap_err();
        assert!(matches!(error, StoreError::Name(_)), "{name:?}: {error}");

        // A list made by somebody else, with the right digest.
        let good = store
            .artifacts()
            .put_directory(&[("placeholder".to_owned(), text("x"))])
            .unwrap();
        let list = String::from_utf8(store.blobs().read(&good.file).unwrap()).unwrap();
        let list = list.replace("\"placeholder\"", &serde_json::to_string(name).unwrap());
        let mut hostile = good;
        hostile.file = store.blobs().put_bytes(list.as_bytes()).unwrap();
        hostile.bytes = list.len() as u64;
        let out = root.path().join("out");
        let error = store.artifacts().export(&hostile, &out).unwrap_err();
        assert!(matches!(error, StoreError::Name(_)), "{name:?}: {error}");
        assert!(!out.exists() && !root.path().join("escape").exists());
    }
    let clash = [("A".to_owned(), text("1")), ("a".to_owned(), text("2"))];
    assert!(matches!(
        store.artifacts().put_directory(&clash),
        Err(StoreError::Name(NameError::Clash { .. }))
    ));
}

#[test]
fn artifacts_of_another_kind_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let json = store.artifacts().put_json(&1).unwrap();
    let error = store.artifacts().read_tensors(&json).unwrap_err();
    assert_eq!(error.to_string(), "Artifact is a json, expected a tensors");
    assert!(store.artifacts().read_table(&json, None).is_err());
    assert!(store.artifacts().read_directory(&json).is_err());
    assert_eq!(store.artifacts().read_json::<i32>(&json).unwrap(), 1);
    assert!(matches!(
        store.artifacts().read_json::<String>(&json),
        Err(StoreError::Json { .. })
    ));
}
