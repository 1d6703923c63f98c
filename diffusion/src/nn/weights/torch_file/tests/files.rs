use std::collections::BTreeMap;

use super::super::super::{Dtype, SafetensorsFile, TensorSource, digest_tensors};
use super::super::TorchFile;
use super::writer::{archive, dictionary, legacy, tensor};
use super::{golden, in_parts, open, reason};

/// Names of files that `tools/goldens/export_torch_files.py` writes, each in several formats.
const KINDS: [&str; 7] = [
    "types",
    "new_types",
    "module",
    "checkpoint",
    "views",
    "names",
    "parameters",
];
const FORMATS: [&str; 4] = ["zip", "buffer", "protocol4", "legacy"];

#[test]
fn every_tensor_is_the_one_that_torch_finds() {
    for kind in KINDS {
        let expected = crate::nn::weights::golden::tensors(&format!("torch_files/{kind}.safetensors"));
        for format in FORMATS {
            let file = TorchFile::open(&golden(&format!("{kind}.{format}.pt")));
            let file = file.unwrap_or_else(|error| panic!("{kind} {format}: {}", reason(&error)));
            assert_eq!(
                file.names(),
                expected.keys().cloned().collect::<Vec<_>>(),
                "{kind} {format}"
            );
            for (name, expected) in &expected {
                assert_eq!(&file.read(name).unwrap(), expected, "{kind} {format} {name}");
                assert_eq!(
                    file.describe(name),
                    Some((expected.dtype, expected.shape.clone()))
                );
                assert_eq!(
                    in_parts(&file, name, expected.data.len()),
                    expected.data,
                    "{name}"
                );
            }
            assert_eq!(digest_tensors(&file).unwrap(), digest_tensors(&expected).unwrap());
        }
    }
}

#[test]
fn a_nested_state_dict_is_read_by_its_own_names() {
    let whole = TorchFile::open(&golden("checkpoint.zip.pt")).unwrap();
    let file = whole.clone().inside("state_dict").unwrap();
    assert!(!file.names().is_empty());
    for name in file.names() {
        assert_eq!(
            file.read(&name).unwrap(),
            whole.read(&format!("state_dict.{name}")).unwrap()
        );
    }
    assert!(file.origin().ends_with("checkpoint.zip.pt below state_dict"));
    let deeper = whole
        .clone()
        .inside("optimizer")
        .unwrap()
        .inside("state")
        .unwrap();
    assert_eq!(
        deeper.names(),
        whole.clone().inside("optimizer.state").unwrap().names()
    );
    let error = whole.inside("model").unwrap_err();
    assert_eq!(
        reason(&error),
        "It has no tensors below `model`; there is `ema`, `optimizer`, `state_dict`"
    );
}

#[test]
fn files_of_both_formats_are_read_as_they_are_defined() {
    let value = dictionary(&[
        ("all", tensor(6, 0, &[2, 3], &[3, 1])),
        ("turned", tensor(6, 0, &[3, 2], &[1, 3])),
        ("last", tensor(6, 5, &[], &[])),
        ("repeated", tensor(6, 1, &[2, 2], &[0, 1])),
        ("none", tensor(6, 6, &[0, 3], &[3, 1])),
    ]);
    for bytes in [archive(&value), legacy(&value)] {
        let file = open(&bytes).unwrap();
        let found: BTreeMap<String, Vec<f32>> = file
            .read_all()
            .unwrap()
            .into_iter()
            .map(|(name, tensor)| (name, tensor.to_f32().unwrap()))
            .collect();
        let expected = [
            ("all", vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]),
            ("last", vec![5.0]),
            ("none", vec![]),
            ("repeated", vec![1.0, 2.0, 1.0, 2.0]),
            ("turned", vec![0.0, 3.0, 1.0, 4.0, 2.0, 5.0]),
        ];
        let expected = expected.map(|(name, values)| (name.to_owned(), values));
        assert_eq!(found, BTreeMap::from(expected));
        assert_eq!(file.describe("turned"), Some((Dtype::F32, vec![3, 2])));
        assert!(file.describe("other").is_none() && file.read("other").is_err());
        assert_eq!(file.digest_file().unwrap(), blake3::hash(&bytes));
    }
}

#[test]
fn a_tensor_has_the_digest_of_the_same_tensor_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let file = open(&archive(&dictionary(&[("a", tensor(6, 0, &[3, 2], &[1, 3]))]))).unwrap();
    let path = folder.path().join("a.safetensors");
    super::super::super::stream_safetensors(&path, &file).unwrap();
    let same = SafetensorsFile::open(&path).unwrap();
    assert_eq!(digest_tensors(&file).unwrap(), digest_tensors(&same).unwrap());
}
