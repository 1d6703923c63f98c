//! Small results to publish, and damage to do to files.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use arrow_array::{ArrayRef, BinaryArray};
use arrow_array::{
    Float64Array, ListArray, RecordBatch, StringArray, StructArray, UInt32Array, types::Float32Type,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use mitune_store::{ActionRecord, Artifact, Producer, StageKey, Store, Value};
use serde_json::json;

/// Returns the preimage of a pretend stage.
pub(crate) fn preimage(name: &str) -> Value {
    Value::map([
        ("kind", Value::from("pretend")),
        ("config", Value::map([("name", Value::from(name))])),
    ])
}

pub(crate) fn key(name: &str) -> StageKey {
    StageKey::derive(&preimage(name)).unwrap()
}

/// Makes the record of a pretend stage with the given outputs.
pub(crate) fn record(
    store: &Store,
    name: &str,
    outputs: impl IntoIterator<Item = (&'static str, Artifact)>,
) -> ActionRecord {
    let preimage = store.records().put_preimage(&preimage(name)).unwrap();
    let mut record = ActionRecord::new(key(name), preimage, "pretend", 1);
    record.outputs = outputs
        .into_iter()
        .map(|(port, artifact)| (port.to_owned(), artifact))
        .collect();
    record.metrics = BTreeMap::from([("loss".to_owned(), json!(0.25))]);
    record
}

pub(crate) fn producer() -> Producer {
    Producer {
        version: "0.1.0".into(),
        device: Some("cpu".into()),
        dtype: Some("f32".into()),
        host: None,
    }
}

/// Builds a candidate-like batch, the rows told apart by their numbers.
pub(crate) fn candidates(numbers: &[u32]) -> RecordBatch {
    let ids: StringArray = numbers.iter().map(|n| Some(format!("prompt {n}"))).collect();
    let mi: Float64Array = numbers
        .iter()
        .map(|n| (n % 3 != 0).then(|| f64::from(*n) / 7.0))
        .collect();
    let latent =
        |n: &u32| (n % 5 != 4).then(|| (0..40).map(|k| Some((n * 40 + k) as f32)).collect::<Vec<_>>());
    let latent = ListArray::from_iter_primitive::<Float32Type, _, _>(numbers.iter().map(latent));
    let bytes: BinaryArray = numbers
        .iter()
        .map(|n| (n % 4 != 1).then(|| vec![*n as u8; 300]))
        .collect();
    let paths: StringArray = numbers.iter().map(|n| Some(format!("{n}.png"))).collect();
    let image = StructArray::from(vec![
        (
            Arc::new(Field::new("bytes", DataType::Binary, true)),
            Arc::new(bytes) as ArrayRef,
        ),
        (
            Arc::new(Field::new("path", DataType::Utf8, true)),
            Arc::new(paths) as ArrayRef,
        ),
    ]);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(ids),
        Arc::new(UInt32Array::from(numbers.to_vec())),
        Arc::new(mi),
        Arc::new(latent),
        Arc::new(image),
    ];
    RecordBatch::try_new(candidate_schema(), columns).unwrap()
}

pub(crate) fn candidate_schema() -> SchemaRef {
    let image = DataType::Struct(
        vec![
            Field::new("bytes", DataType::Binary, true),
            Field::new("path", DataType::Utf8, true),
        ]
        .into(),
    );
    let fields = vec![
        Field::new("prompt_id", DataType::Utf8, false),
        Field::new("seed_index", DataType::UInt32, false),
        Field::new("mi", DataType::Float64, true),
        Field::new_list("latent", Field::new_list_field(DataType::Float32, true), true),
        Field::new("image", image, true),
    ];
    let features = r#"{"info":{"features":{"image":{"_type":"Image"}}}}"#;
    let metadata: HashMap<_, _> = [("huggingface".to_owned(), features.to_owned())].into();
    Arc::new(Schema::new_with_metadata(fields, metadata))
}

/// The ways a file is found damaged after a crash or on an old disk.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Damage {
    Flip,
    Truncate,
    Empty,
    Extend,
}

pub(crate) const DAMAGES: [Damage; 4] = [Damage::Flip, Damage::Truncate, Damage::Empty, Damage::Extend];

/// Replaces a file by a damaged copy.
pub(crate) fn damage(path: &Path, how: Damage) {
    let mut bytes = std::fs::read(path).unwrap();
    match how {
        Damage::Flip => {
            let middle = bytes.len() / 2;
            // A digit or letter becomes another one, so that text stays text.
            let place = (middle..bytes.len())
                .find(|i| bytes[*i].is_ascii_alphanumeric())
                .unwrap_or(middle);
            bytes[place] ^= 1;
        }
        Damage::Truncate => bytes.truncate(bytes.len() * 2 / 3),
        Damage::Empty => bytes.clear(),
        Damage::Extend => bytes.extend_from_slice(b"x"),
    }
    let copy = path.with_extension("damaged");
    std::fs::write(&copy, bytes).unwrap();
    std::fs::rename(&copy, path).unwrap();
}

/// Lists all files below a directory.
pub(crate) fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Prepares this test binary to run one of its tests in another process, with variables that tell it so.
pub(crate) fn child(test: &str, variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .envs(variables.iter().copied());
    command
}
