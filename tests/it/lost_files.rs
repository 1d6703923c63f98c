//! Whatever file of a store is gone or damaged, the next run mends it without a word and ends with the same contents.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::program::run_real;
use crate::small_pipeline::Place;

fn blob(place: &Place, digest: &str) -> PathBuf {
    place.path().join(".mitune/blobs").join(&digest[..2]).join(digest)
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap()
}

fn action(place: &Place, stage: &str) -> PathBuf {
    let actions = place.files("actions");
    actions
        .into_iter()
        .find(|path| read(path)["stage"] == stage)
        .unwrap()
}

/// Every kind of file, and whether the result of its stage must be lost for it to be needed.
fn kinds(place: &Place) -> Vec<(&'static str, Vec<PathBuf>)> {
    let output = |stage: &str, port: &str| {
        let record = read(&action(place, stage));
        blob(place, text(&record, &format!("/outputs/{port}/file")))
    };
    let preimage = |stage: &str| blob(place, text(&read(&action(place, stage)), "/preimage"));
    let shard = place.files("shards").remove(0);
    let shard_blob = blob(place, text(&read(&shard), "/blob"));
    let mut checkpoints = place.files("checkpoints");
    checkpoints.sort();
    let last = checkpoints.pop().unwrap();
    let weights = read(&last)["checkpoint"]["blobs"].as_object().unwrap().clone();
    let weights = weights.values().map(|file| blob(place, file.as_str().unwrap()));
    let tuned = action(place, "finetune");
    let alone = |path: PathBuf| vec![path];
    vec![
        ("table of a stage", alone(output("select", "selection"))),
        ("tensors of a stage", alone(output("finetune", "adapter"))),
        ("list of parts", alone(output("generate", "candidates"))),
        ("blob of a shard", alone(shard_blob)),
        ("record of a shard", alone(shard.clone())),
        (
            "record and list of a stage in shards",
            vec![shard, action(place, "generate")],
        ),
        ("record of a stage", alone(action(place, "ingest"))),
        ("preimage", alone(preimage("generate"))),
        ("checkpoint", vec![tuned.clone(), last]),
        ("blobs of a checkpoint", weights.chain([tuned]).collect()),
        (
            "record of a run",
            place
                .files("runs")
                .into_iter()
                .filter(|path| path.ends_with("run.json"))
                .collect(),
        ),
    ]
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").args([from, to]).status().unwrap();
    assert!(copied.success());
}

#[test]
fn a_run_mends_every_kind_of_file() {
    let place = Place::new();
    assert_eq!(place.run(&[]).code, Some(0));
    let contents = place.contents();
    assert!(contents.len() >= 4);
    let (store, whole) = (place.path().join(".mitune"), place.path().join("whole"));
    copy(&store, &whole);
    let count = kinds(&place).len();
    for kind in 0..count {
        for damage in ["gone", "flipped", "empty"] {
            fs::remove_dir_all(&store).unwrap();
            copy(&whole, &store);
            let (name, paths) = kinds(&place).swap_remove(kind);
            for path in paths {
                let mut bytes = fs::read(&path).unwrap();
                fs::remove_file(&path).unwrap();
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
                match damage {
                    "flipped" => fs::write(&path, bytes).unwrap(),
                    "empty" => fs::write(&path, []).unwrap(),
                    _ => {}
                }
            }
            let again = place.run(&[]);
            assert_eq!(again.code, Some(0), "{name} {damage}: {}", again.stderr);
            assert_eq!(place.contents(), contents, "{name} {damage}");
            // What a run has no reason to read is found here, and mended or computed by the next run.
            run_real(place.path(), &["store", "verify", "--full"]);
            assert_eq!(place.run(&[]).code, Some(0), "{name} {damage}");
            let verified = run_real(place.path(), &["store", "verify", "--full", "--json"]);
            assert_eq!(verified.code, Some(0), "{name} {damage}: {}", verified.stdout);
            let after = place.run(&[]);
            assert!(
                after.stdout.contains("0 computed, 4 found"),
                "{name} {damage}: {}",
                after.stdout
            );
        }
    }
}

/// Writes a record anew with a check that holds, as any program can.
fn forge(path: &Path, kind: &str, mut record: Value) {
    let fields = record.as_object_mut().unwrap();
    fields.remove("check");
    let value: mitune_store::Value = serde_json::from_value(Value::Object(fields.clone())).unwrap();
    let bytes = mitune_store::encode(&value).unwrap();
    let domain = format!("mitune 2026 {kind} record v1");
    let check = blake3::Hash::from(blake3::derive_key(&domain, &bytes));
    fields.insert("check".into(), check.to_hex().as_str().into());
    fs::remove_file(path).unwrap();
    fs::write(path, record.to_string()).unwrap();
}

#[test]
fn a_record_of_something_else_under_a_right_key_costs_time_only() {
    let place = Place::new();
    assert_eq!(place.run(&[]).code, Some(0));
    let contents = place.contents();
    let (store, whole) = (place.path().join(".mitune"), place.path().join("whole"));
    copy(&store, &whole);
    let prompts = |place: &Place| read(&action(place, "ingest"))["outputs"]["prompts"].clone();
    type Forgery = Box<dyn Fn(&Place)>;
    let forgeries: Vec<(&str, Forgery)> = vec![
        (
            "a stage with another table",
            Box::new(move |place| {
                let path = action(place, "generate");
                let mut record = read(&path);
                record["outputs"]["candidates"] = prompts(place);
                forge(&path, "action", record);
            }),
        ),
        (
            "a stage with no tensors",
            Box::new(move |place| {
                let path = action(place, "finetune");
                let mut record = read(&path);
                let mut table = prompts(place);
                table["kind"] = "tensors".into();
                record["outputs"]["adapter"] = table;
                forge(&path, "action", record);
            }),
        ),
        (
            "a shard with another table",
            Box::new(move |place| {
                fs::remove_file(action(place, "generate")).unwrap();
                let path = place.files("shards").remove(0);
                let mut record = read(&path);
                record["blob"] = prompts(place)["file"].clone();
                record["bytes"] = prompts(place)["bytes"].clone();
                forge(&path, "shard", record);
            }),
        ),
        (
            "a checkpoint with other tensors",
            Box::new(move |place| {
                let tuned = action(place, "finetune");
                let adapter = text(&read(&tuned), "/outputs/adapter/file").to_owned();
                fs::remove_file(tuned).unwrap();
                let mut checkpoints = place.files("checkpoints");
                checkpoints.sort();
                let path = checkpoints.pop().unwrap();
                let mut record = read(&path);
                record["checkpoint"]["blobs"]["tensors"] = adapter.into();
                forge(&path, "checkpoint", record);
            }),
        ),
    ];
    for (name, forgery) in forgeries {
        fs::remove_dir_all(&store).unwrap();
        copy(&whole, &store);
        forgery(&place);
        for _ in 0..2 {
            let again = place.run(&[]);
            assert_eq!(again.code, Some(0), "{name}: {}", again.stderr);
        }
        assert_eq!(place.contents(), contents, "{name}");
    }
}
