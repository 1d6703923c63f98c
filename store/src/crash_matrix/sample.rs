//! The things the small numbers of a program stand for.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{RecordBatch, StringArray, UInt32Array};
use arrow_schema::{DataType, Field, Schema};

use crate::canonical::Value;
use crate::names::{FamilyKey, FileDigest, ItemKey, Layout, StageKey};

pub(super) fn preimage(key: u8) -> Value {
    Value::map([
        ("kind", Value::from("pretend")),
        ("key", Value::from(u32::from(key))),
    ])
}

pub(super) fn stage_key(key: u8) -> StageKey {
    StageKey::derive(&preimage(key)).unwrap()
}

/// Text of a length of its own, from half a block to several, as the store writes it as JSON.
pub(super) fn json(content: u8) -> String {
    char::from(b'a' + content)
        .to_string()
        .repeat(300 + 1500 * usize::from(content))
}

pub(super) fn bytes(content: u8) -> Vec<u8> {
    format!("\"{}\"\n", json(content)).into_bytes()
}

pub(super) fn file(content: u8) -> FileDigest {
    FileDigest::of(&bytes(content))
}

pub(super) fn family(family: u8) -> FamilyKey {
    FamilyKey::derive(&Value::from(u32::from(family))).unwrap()
}

pub(super) fn items(family: &FamilyKey, first: u8, rows: u8) -> Vec<ItemKey> {
    let item = |row: u8| ItemKey::derive(family, &Value::from(u32::from(row))).unwrap();
    (first..first + rows).map(item).collect()
}

pub(super) fn batch(first: u8, rows: u8) -> RecordBatch {
    let numbers = (first..first + rows).map(u32::from);
    let schema = Schema::new(vec![
        Field::new("row", DataType::UInt32, false),
        Field::new("text", DataType::Utf8, false),
    ]);
    let texts: StringArray = numbers.clone().map(|n| Some(format!("prompt {n}"))).collect();
    let numbers: UInt32Array = numbers.collect();
    RecordBatch::try_new(Arc::new(schema), vec![Arc::new(numbers), Arc::new(texts)]).unwrap()
}

pub(super) fn blob_path(root: &Path, file: &FileDigest) -> PathBuf {
    Layout::new(root.to_path_buf()).blob(file)
}

pub(super) fn record_path(root: &Path, key: &StageKey) -> PathBuf {
    Layout::new(root.to_path_buf()).action(key)
}
