use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::nn::weights::TensorMap;

/// Lays tensors out as a safetensors file with metadata; equal input gives equal bytes.
///
/// The `safetensors` crate orders metadata at random as soon as there are two entries.
pub(super) fn encode(tensors: &TensorMap, metadata: &BTreeMap<String, String>) -> Vec<u8> {
    let mut header = Map::new();
    header.insert("__metadata__".to_owned(), json!(metadata));
    let mut data: Vec<u8> = Vec::new();
    let mut ordered: Vec<_> = tensors.iter().collect();
    // Wider elements first, so that every tensor starts at a multiple of its element's size.
    ordered.sort_by_key(|(_, tensor)| std::cmp::Reverse(tensor.dtype.bitsize()));
    for (name, tensor) in ordered {
        let start = data.len();
        data.extend(&tensor.data);
        let dtype = format!("{:?}", tensor.dtype);
        let entry = json!({ "dtype": dtype, "shape": tensor.shape, "data_offsets": [start, data.len()] });
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
