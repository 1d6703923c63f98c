//! Writes pickles and archives, right ones and others.

use crate::nn::weights::torch_file::instruction::*;

/// One part after the other.
pub(super) fn joined(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

pub(super) fn text(text: &str) -> Vec<u8> {
    let length = (text.len() as u32).to_le_bytes();
    joined(&[&[BINUNICODE], &length, text.as_bytes()])
}

pub(super) fn integer(value: i64) -> Vec<u8> {
    joined(&[&[LONG1, 8], &value.to_le_bytes()])
}

pub(super) fn global(module: &str, name: &str) -> Vec<u8> {
    format!("c{module}\n{name}\n").into_bytes()
}

pub(super) fn tuple(items: &[Vec<u8>]) -> Vec<u8> {
    joined(&[&[MARK], &items.concat(), &[TUPLE]])
}

pub(super) fn integers(values: &[i64]) -> Vec<u8> {
    let items: Vec<Vec<u8>> = values.iter().map(|value| integer(*value)).collect();
    tuple(&items)
}

pub(super) fn dictionary(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let items: Vec<u8> = entries
        .iter()
        .flat_map(|(key, value)| [text(key), value.clone()].concat())
        .collect();
    joined(&[&[EMPTY_DICT, MARK], &items, &[SETITEMS]])
}

pub(super) fn call(callable: &[u8], arguments: &[Vec<u8>]) -> Vec<u8> {
    joined(&[callable, &tuple(arguments), &[REDUCE]])
}

pub(super) fn storage(class: &[u8], key: &str, count: i64) -> Vec<u8> {
    let id = tuple(&[
        text("storage"),
        class.to_vec(),
        text(key),
        text("cpu"),
        integer(count),
    ]);
    joined(&[&id, &[BINPERSID]])
}

pub(super) fn hooks() -> Vec<u8> {
    call(&global("collections", "OrderedDict"), &[])
}

/// A tensor of a storage of floats.
pub(super) fn tensor(count: i64, offset: i64, shape: &[i64], strides: &[i64]) -> Vec<u8> {
    let storage = storage(&global("torch", "FloatStorage"), "0", count);
    tensor_of(&storage, offset, shape, strides, &hooks())
}

pub(super) fn tensor_of(
    storage: &[u8],
    offset: i64,
    shape: &[i64],
    strides: &[i64],
    hooks: &[u8],
) -> Vec<u8> {
    let arguments = [
        storage.to_vec(),
        integer(offset),
        integers(shape),
        integers(strides),
        vec![NEWFALSE],
        hooks.to_vec(),
    ];
    call(&global("torch._utils", "_rebuild_tensor_v2"), &arguments)
}

/// A whole pickle of protocol 2.
pub(super) fn pickle(value: &[u8]) -> Vec<u8> {
    joined(&[&[PROTO, 2], value, &[STOP]])
}

/// A file with one pickle and a storage of six floats.
pub(super) fn archive(value: &[u8]) -> Vec<u8> {
    zip(&[
        ("model/data.pkl", &pickle(value)),
        ("model/byteorder", b"little"),
        ("model/data/0", &six()),
    ])
}

/// The bytes of 0.0, 1.0, ... 5.0.
pub(super) fn six() -> Vec<u8> {
    (0..6_u8)
        .flat_map(|value| f32::from(value).to_le_bytes())
        .collect()
}

/// The same in the older format.
pub(super) fn legacy(value: &[u8]) -> Vec<u8> {
    let magic = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
    joined(&[
        &pickle(&joined(&[&[LONG1, 10], &magic])),
        &pickle(&integer(1001)),
        &pickle(&dictionary(&[("little_endian", vec![NEWTRUE])])),
        &pickle(value),
        &pickle(&joined(&[&[EMPTY_LIST], &text("0"), &[APPEND]])),
        &6_u64.to_le_bytes(),
        &six(),
    ])
}

/// A zip archive of entries as they are.
pub(super) fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (name, data) in entries {
        let header = bytes.len() as u32;
        let length = (data.len() as u32).to_le_bytes();
        let name_length = (name.len() as u16).to_le_bytes();
        // Flags, method, time, date and checksum are all zero.
        let fields = joined(&[&[0; 12], &length, &length, &name_length, &[0, 0]]);
        bytes.extend(joined(&[b"PK\x03\x04\x14\0", &fields, name.as_bytes(), data]));
        directory.extend(joined(&[
            b"PK\x01\x02\x14\0\x14\0",
            &fields,
            &[0; 10],
            &header.to_le_bytes(),
            name.as_bytes(),
        ]));
    }
    let count = (entries.len() as u16).to_le_bytes();
    let end = joined(&[
        b"PK\x05\x06\0\0\0\0",
        &count,
        &count,
        &(directory.len() as u32).to_le_bytes(),
        &(bytes.len() as u32).to_le_bytes(),
        &[0, 0],
    ]);
    joined(&[&bytes, &directory, &end])
}
