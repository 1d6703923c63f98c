//! Constants of the format, worked out by `tests/golden/keys.py`: a change here is a new format.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::types::Float32Type;
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Float64Array, ListArray, RecordBatch, StringArray, StructArray,
    UInt64Array,
};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, Field, Schema};
use mitune_store::{
    DirectoryEntry, FamilyKey, FileDigest, ItemKey, StageKey, Store, TensorBytes, Value, encode, row_digests,
    tensors_content,
};

fn preimage() -> Value {
    let config = Value::map([
        ("steps", Value::Int(50)),
        ("guidance", Value::Float(7.5)),
        ("eta", Value::Float(0.0)),
        ("seed", Value::Uint(u64::MAX)),
        ("offset", Value::Int(-300)),
        ("negative", Value::Null),
        ("ddim", false.into()),
        ("latent", true.into()),
        (
            "sizes",
            vec![Value::Int(64), Value::Int(65536), Value::Int(1 << 32)].into(),
        ),
        ("salt", Value::Bytes(vec![0, 255])),
        ("a much longer name than the others", "\u{e9}".into()),
    ]);
    Value::map([
        ("kind", "generate".into()),
        ("stage_rev", Value::Int(3)),
        ("config", config),
        ("inputs", Value::map([("prompts", Value::from("ab".repeat(32)))])),
    ])
}

#[test]
fn canonical_bytes_and_keys() {
    let encoded: String = encode(&preimage())
        .unwrap()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(
        encoded,
        concat!(
            "a4646b696e646867656e657261746566636f6e666967ab63657461fb0000000000000000646464696df46473616c7442",
            "00ff64736565641bffffffffffffffff6573697a65738318401a000100001b0000000100000000657374657073183266",
            "6c6174656e74f5666f666673657439012b6867756964616e6365fb401e000000000000686e65676174697665f6782261",
            "206d756368206c6f6e676572206e616d65207468616e20746865206f746865727362c3a966696e70757473a16770726f",
            "6d7074737840616261626162616261626162616261626162616261626162616261626162616261626162616261626162",
            "616261626162616261626162616261626162616261626973746167655f72657603",
        )
    );
    let stage = StageKey::derive(&preimage()).unwrap();
    assert_eq!(
        stage.to_string(),
        "ae769757a4acfc14abbd2c1d0b67c85fbf2a6a97971659af3391fc1b83f424ad"
    );
    let family = FamilyKey::derive(&preimage()).unwrap();
    assert_eq!(
        family.to_string(),
        "cc59f8d33e9ed2a2a0b64dc3bd7a6385f158d9ee9abee6f2d7629fce7f5f17be"
    );
    let item = Value::map([("prompt", "a red circle".into()), ("seed_index", Value::Int(7))]);
    let item = ItemKey::derive(&family, &item).unwrap();
    assert_eq!(
        item.to_string(),
        "88dd2f14d3affaac9333118ec0614128a7f4c0c33564db351b92ea310a43dd19"
    );
    let file = FileDigest::of(b"a red circle");
    assert_eq!(
        file.to_string(),
        "39902c9ea3a7a4cd43e893231b147a187a4be85e9f88f8cbbcf642ee1fc06f74"
    );
}

#[test]
fn rows_and_table_content() {
    let bytes = BinaryArray::from(vec![Some([1, 2, 3].as_slice()), None, None]);
    let path = StringArray::from(vec![Some("0000.png"), None, None]);
    let members = vec![
        Field::new("bytes", DataType::Binary, true),
        Field::new("path", DataType::Utf8, true),
    ];
    let image = StructArray::new(
        members.clone().into(),
        vec![Arc::new(bytes), Arc::new(path)],
        Some(NullBuffer::from(vec![true, false, true])),
    );
    let trace = ListArray::from_iter_primitive::<Float32Type, _, _>([
        Some(vec![Some(0.5), None, Some(-2.0)]),
        None,
        Some(vec![]),
    ]);
    let schema = Arc::new(Schema::new(vec![
        Field::new("id", DataType::Utf8, false),
        Field::new("mi", DataType::Float64, true),
        Field::new("seed", DataType::UInt64, false),
        Field::new("done", DataType::Boolean, true),
        Field::new_list("trace", Field::new_list_field(DataType::Float32, true), true),
        Field::new("image", DataType::Struct(members.into()), true),
    ]));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(vec!["a", "", "\u{e9}"])),
        Arc::new(Float64Array::from(vec![Some(1.5), None, Some(-0.0)])),
        Arc::new(UInt64Array::from(vec![u64::MAX, 0, 7])),
        Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])),
        Arc::new(trace),
        Arc::new(image),
    ];
    let batch = RecordBatch::try_new(schema.clone(), columns).unwrap();
    let digests: Vec<_> = row_digests(&batch)
        .unwrap()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        digests,
        [
            "acb4987034e2bbfbb248701cccea210020caa01bdb9d6f4f7d883c0a92fa9974",
            "c76225b2b499ce88fec1e3087824131148b6333694031b4adc9b10322b922f2c",
            "bb06bb3f3e39b2cf86d19ea2c6a7fc6878176372e9ca81ecf5d0652530b66989",
        ]
    );
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let artifact = store.artifacts().put_table(&schema, [batch.clone()]).unwrap();
    let content = "73ad4cd8bea46d0f26a09ec46ff8f36d4691e5990ee5eb6ff910743254ec153a";
    assert_eq!(artifact.content.to_string(), content);
    assert_eq!(
        store.artifacts().read_table_whole(&artifact, None).unwrap(),
        batch
    );
}

#[test]
fn other_contents() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let floats = [1.0_f32, -1.0]
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    let tensors = BTreeMap::from([
        (
            "bias".to_owned(),
            TensorBytes {
                dtype: safetensors::Dtype::F32,
                shape: vec![2],
                data: floats,
            },
        ),
        (
            "weight".to_owned(),
            TensorBytes {
                dtype: safetensors::Dtype::F16,
                shape: vec![1, 2],
                data: vec![0, 60, 0, 64],
            },
        ),
    ]);
    let content = "1300396ae01a0d9778b6069e268ae7da93d3958195d378a1d57ee6e38be44e47";
    assert_eq!(tensors_content(&tensors).to_string(), content);

    let entries = [
        ("b/c".to_owned(), DirectoryEntry::Bytes(Vec::new())),
        ("a.txt".to_owned(), DirectoryEntry::Bytes(b"x".to_vec())),
    ];
    let content = "df9e6fefca5e4a0a876d9a80041c64c20d23eb51e6236cd11c77bfde16ad9fb8";
    assert_eq!(
        store
            .artifacts()
            .put_directory(&entries)
            .unwrap()
            .content
            .to_string(),
        content
    );

    let json = store
        .artifacts()
        .put_json(&serde_json::json!({"x": [0.5], "n": 1}))
        .unwrap();
    assert_eq!(
        json.content.to_string(),
        "8d17e610c76ae3bae7e068facad32479d7f2328ec02a2f7c9f8b06d79ce01744"
    );
}
