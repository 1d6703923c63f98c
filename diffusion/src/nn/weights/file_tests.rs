use std::error::Error;

use proptest::prelude::*;

use super::tests::{load, tensors, write_shards};
use super::*;
use crate::input_file::{Contents, InputFileError, JsonProblem};

fn open(bytes: &[u8]) -> WeightsError {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    std::fs::write(&path, bytes).unwrap();
    SafetensorsFile::open(&path).unwrap_err()
}

fn with_header(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend(vec![0; data]);
    bytes
}

#[test]
fn every_cut_of_a_file_is_refused() {
    let bytes = encode_safetensors(&tensors(), None).unwrap();
    assert!(matches!(
        open(&[]),
        WeightsError::File(InputFileError::Contents {
            found: Contents::Empty,
            ..
        })
    ));
    for length in 1..bytes.len() {
        let error = open(&bytes[..length]);
        let WeightsError::Truncated { expected, found, .. } = error else {
            panic!("{length}: {error:?}")
        };
        assert!(found == length as u64 && expected > found);
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert!(matches!(open(&longer), WeightsError::Trailing { .. }));
}

#[test]
fn malformed_headers_are_refused() {
    let huge = [(MAX_HEADER_BYTES + 1).to_le_bytes().as_slice(), b"{}"].concat();
    assert!(matches!(
        open(&huge),
        WeightsError::HeaderTooLong {
            limit: 100_000_000,
            ..
        }
    ));
    assert!(matches!(open(&with_header("{", 0)), WeightsError::Header { .. }));
    assert!(open(&with_header("{", 0)).source().is_some());
    for (header, reason) in [
        (
            "[1]",
            "It holds a list, expected names with their values in braces",
        ),
        (
            "{\"a\0\0\0\0\0\0",
            "It holds zeros from line 1, column 4 on, as a download that broke off leaves",
        ),
    ] {
        let error = open(&with_header(header, 8));
        let message = error.to_string();
        assert!(message.ends_with("is damaged or incomplete"), "{message}");
        assert_eq!(error.source().unwrap().to_string(), reason);
        assert!(error.hint().unwrap().starts_with("Download it again"));
    }
    let no_text = open(&[&3_u64.to_le_bytes()[..], b"{\xff}"].concat());
    assert!(matches!(
        no_text,
        WeightsError::Header {
            source: JsonProblem::NotText,
            ..
        }
    ));
    let entry = |fields: &str| format!(r#"{{"a": {{{fields}}}}}"#);
    let cases = [
        (r#""dtype": "F99", "shape": [1], "data_offsets": [0, 4]"#, "Entry"),
        (
            r#""dtype": "F32", "shape": [-1], "data_offsets": [0, 4]"#,
            "Entry",
        ),
        (r#""dtype": "F32", "shape": [2], "data_offsets": [0, 4]"#, "Size"),
        (
            r#""dtype": "F32", "shape": [1], "data_offsets": [4, 8]"#,
            "Offsets",
        ),
        (
            r#""dtype": "F32", "shape": [1], "data_offsets": [4, 0]"#,
            "Offsets",
        ),
        (
            r#""dtype": "F32", "shape": [9223372036854775807, 9], "data_offsets": [0, 4]"#,
            "Size",
        ),
    ];
    for (fields, expected) in cases {
        let error = open(&with_header(&entry(fields), 8));
        assert!(format!("{error:?}").starts_with(expected), "{fields}: {error:?}");
    }
    let overlapping = r#"{"a": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]},
        "b": {"dtype": "U8", "shape": [4], "data_offsets": [2, 6]}}"#;
    assert!(matches!(
        open(&with_header(overlapping, 6)),
        WeightsError::Offsets {
            expected: 4,
            begin: 2,
            ..
        }
    ));
}

#[test]
fn an_index_must_agree_with_its_shards() {
    let folder = tempfile::tempdir().unwrap();
    write_shards(folder.path());
    let path = folder.path().join("model.safetensors.index.json");
    let good = std::fs::read_to_string(&path).unwrap();
    let open = |text: &str| {
        std::fs::write(&path, text).unwrap();
        WeightsFolder::open(folder.path(), "model").unwrap_err()
    };
    let moved = open(&good.replace(r#""layers.1.weight":"b.s"#, r#""layers.1.weight":"a.s"#));
    assert!(matches!(moved, WeightsError::IndexMismatch { .. }), "{moved:?}");
    let more = open(&good.replace(
        r#""layers.1.weight""#,
        r#""layers.9.weight":"b.safetensors","layers.1.weight""#,
    ));
    assert!(matches!(more, WeightsError::IndexMismatch { ref tensor, .. } if tensor == "layers.9.weight"));
    let outside = open(&good.replace("b.safetensors", "../b.safetensors"));
    assert!(matches!(outside, WeightsError::ShardName { .. }));
    let gone = open(&good.replace("b.safetensors", "c.safetensors"));
    assert!(matches!(gone, WeightsError::File(InputFileError::Missing { .. })));
    let unmapped = open("{\"metadata\": {}}");
    assert!(matches!(unmapped, WeightsError::Index { .. }));
    let none = WeightsFolder::open(folder.path(), "other").unwrap_err();
    assert!(matches!(none, WeightsError::NoFile { .. }));
}

#[test]
fn other_kinds_of_files_are_named() {
    for (bytes, words) in [
        (
            &b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"[..],
            "Git LFS pointer",
        ),
        (
            b"<!doctype html><html><body>Access denied</body></html>",
            "web page",
        ),
        (b"PK\x03\x04aaaaaaaaaaaaaaaa", "pickle"),
        (b"\x80\x02}q\x01(X\x01\x00", "pickle"),
        (b"{\"error\": \"Repository not found\"}", "is JSON"),
        (b"Entry not found", "is plain text, expected a safetensors file"),
        (&[0; 600], "zeros alone"),
    ] {
        let error = open(bytes);
        assert!(
            error.to_string().contains(words) && error.to_string().contains("x.safetensors"),
            "{error}"
        );
    }
    let folder = tempfile::tempdir().unwrap();
    let missing = |files: &[&str]| {
        for file in files {
            std::fs::write(folder.path().join(file), "x").unwrap();
        }
        WeightsFolder::open(folder.path(), "model").unwrap_err()
    };
    assert!(!missing(&[]).to_string().contains("there is"));
    let pickle = missing(&["model.bin", "config.json"]);
    assert!(
        pickle.to_string().ends_with("; there is `model.bin`, a pickle"),
        "{pickle}"
    );
    assert!(pickle.hint().unwrap().contains("save_pretrained"));
}

#[cfg(unix)]
#[test]
fn links_that_lead_nowhere_are_not_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    std::os::unix::fs::symlink("../blobs/0", &path).unwrap();
    write_safetensors(&folder.path().join("model.fp16.safetensors"), &tensors(), None).unwrap();
    let error = WeightsFolder::open(folder.path(), "model").unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("is a link to `../blobs/0`, which does not exist"),
        "{error}"
    );
}

proptest! {
    #[test]
    fn damaged_files_never_panic(position in 0usize..400, byte in any::<u8>()) {
        let mut bytes = encode_safetensors(&tensors(), None).unwrap();
        let position = position % bytes.len();
        bytes[position] = byte;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        std::fs::write(&path, &bytes).unwrap();
        if let Ok(file) = SafetensorsFile::open(&path) {
            let _ = file.read_all().map(|tensors| load(&tensors));
        }
    }
}
