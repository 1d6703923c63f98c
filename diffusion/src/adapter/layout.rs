use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// Shapes and values of f32 tensors by name.
pub(super) type Tensors<'a> = BTreeMap<String, (Vec<usize>, &'a [f32])>;

/// Lays tensors out as a safetensors file with metadata; equal input gives equal bytes.
///
/// The `safetensors` crate orders metadata at random as soon as there are two entries.
pub(super) fn encode(tensors: &Tensors<'_>, metadata: &[(&str, String)]) -> Vec<u8> {
    let mut header = Map::new();
    let mut entries = BTreeMap::from([("format", "pt".to_owned())]);
    entries.extend(metadata.iter().cloned());
    header.insert("__metadata__".to_owned(), json!(entries));
    let mut data: Vec<u8> = Vec::new();
    for (name, (shape, values)) in tensors {
        let start = data.len();
        data.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        let entry = json!({ "dtype": "F32", "shape": shape, "data_offsets": [start, data.len()] });
        header.insert(name.clone(), entry);
    }
    let mut header = Value::Object(header).to_string().into_bytes();
    // The format wants the data to start at a multiple of eight.
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header);
    bytes.extend(data);
    bytes
}
