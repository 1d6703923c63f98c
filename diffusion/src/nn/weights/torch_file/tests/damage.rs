use proptest::prelude::*;

use super::super::super::TensorSource as _;
use super::writer::{archive, dictionary, legacy, pickle, six, tensor, zip};
use super::{golden, open, problem};

const NAMES: [&str; 6] = [
    "views.zip.pt",
    "views.legacy.pt",
    "names.protocol4.pt",
    "parameters.legacy.pt",
    "new_types.buffer.pt",
    "new_types.legacy.pt",
];

fn good() -> Vec<u8> {
    pickle(&dictionary(&[("a", tensor(6, 0, &[6], &[1]))]))
}

#[test]
fn every_cut_of_a_file_is_refused() {
    for name in ["parameters.zip.pt", "parameters.legacy.pt"] {
        let bytes = std::fs::read(golden(name)).unwrap();
        for length in 0..bytes.len() {
            assert!(open(&bytes[..length]).is_err(), "{name} {length}");
        }
        assert!(open(&bytes).is_ok());
        assert!(open(&[bytes.as_slice(), &[0]].concat()).is_err(), "{name}");
    }
}

#[test]
fn entries_that_are_not_as_torch_writes_them_are_refused_by_name() {
    let (good, six, big) = (good(), six(), b"big".to_vec());
    let right = zip(&[("m/data.pkl", &good), ("m/data/0", &six)]);
    assert!(open(&right).is_ok());
    for (entries, expected) in [
        (
            vec![("m/data.pkl", &good), ("m/data/0", &six), ("m/data/0", &six)],
            "Its entry `m/data/0` is there twice",
        ),
        (vec![("m/data.pkl", &good)], "Its storage `0` is lacking"),
        (vec![("m/data/0", &six)], "It is a zip archive of something else"),
        (
            vec![("m/data.pkl", &good), ("n/data.pkl", &good)],
            "It is a zip archive of several files of PyTorch",
        ),
        (
            vec![("m/data.pkl", &good), ("m/code/a.py", &six)],
            "It is a program of TorchScript",
        ),
        (
            vec![("m/inner/data.pkl", &good), ("m/data/0", &six)],
            "It is a zip archive of something else",
        ),
        (
            vec![("m/inner.zip", &right)],
            "It is a zip archive of something else",
        ),
        (vec![("m/data.pkl", &right)], "Its pickle has a persistent id"),
        (
            vec![("m/data.pkl", &good), ("m/byteorder", &good)],
            "Its entry `m/byteorder` is longer",
        ),
        (
            vec![("m/data.pkl", &good), ("m/byteorder", &big)],
            "Its entry `m/byteorder` says that the bytes are in the order",
        ),
    ] {
        let entries: Vec<(&str, &[u8])> = entries
            .iter()
            .map(|(name, data)| (*name, data.as_slice()))
            .collect();
        let found = problem(&zip(&entries));
        assert!(found.starts_with(expected), "{found}, not {expected}");
    }
    let longer = [good.as_slice(), &[0]].concat();
    let found = problem(&zip(&[("m/data.pkl", &longer), ("m/data/0", &six)]));
    assert!(found.starts_with("Its pickle goes on after its end"), "{found}");
}

/// An archive of one tensor, with a byte of its directory's first entry changed.
fn changed(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut archive = zip(&[("m/data.pkl", &good()), ("m/data/0", &six())]);
    let directory = archive.windows(4).position(|word| word == b"PK\x01\x02").unwrap();
    archive[directory + at..][..bytes.len()].copy_from_slice(bytes);
    archive
}

#[test]
fn directories_that_lie_are_refused() {
    for (at, bytes, expected) in [
        (8, &[1_u8][..], "is encrypted"),
        (10, &[8], "is compressed"),
        // A length that is not that of the bytes in the archive, as in an archive that unpacks to terabytes.
        (24, &[0xfe, 0xff, 0xff, 0xff], "is compressed"),
        (
            20,
            &[0xfe, 0xff, 0xff, 0xff, 0xfe, 0xff, 0xff, 0xff],
            "reaches beyond the file",
        ),
        (20, &[200, 0, 0, 0, 200, 0, 0, 0], "one entry within another"),
        // A long number that the extra field should hold.
        (24, &[0xff; 4], "has a number that is lacking"),
        (42, &[0xfe, 0xff, 0xff, 0xff], "It ends within an entry"),
        (42, &[1], "is not where the directory says"),
        (34, &[1], "is spread over several files"),
        (46, b"x", "has another name than the directory says"),
        (46, &[0xff], "has a name that is no text"),
        (28, &[0xff, 0xff], "It ends within"),
        (0, b"x", "is damaged"),
    ] {
        let found = problem(&changed(at, bytes));
        assert!(found.contains(expected), "{at}: {found}, not {expected}");
    }
    let right = changed(0, b"P");
    for (from_end, bytes, expected) in [
        (2, &[1_u8, 0][..], "is not at its end"),
        (6, &[1], "does not lie where it says"),
        (6, &[0xff; 4], "does not lie where it says"),
        (10, &[0xff; 4], "longer than any honest one"),
        (12, &[0xff, 0xff], "is spread over several files"),
        (14, &[0xff; 4], "longer than any honest one"),
        (14, &[1, 0, 1, 0], "holds more than its entries"),
        (14, &[3, 0, 3, 0], "It ends within"),
        (18, &[1], "is spread over several files"),
    ] {
        let mut archive = right.clone();
        let at = archive.len() - from_end;
        archive[at..][..bytes.len()].copy_from_slice(bytes);
        let found = problem(&archive);
        assert!(found.contains(expected), "{from_end}: {found}, not {expected}");
    }
}

#[test]
fn older_files_whose_storages_are_not_as_they_say_are_refused() {
    let value = dictionary(&[("a", tensor(6, 0, &[6], &[1]))]);
    let right = legacy(&value);
    assert!(open(&right).is_ok());
    let storage = right.len() - 32;
    let mut other = right.clone();
    other[storage] = 7;
    assert!(problem(&other).contains("has another length than the pickle says"));
    let mut magic = right.clone();
    magic[5] ^= 1;
    assert_eq!(
        problem(&magic),
        "It is a pickle of something else, expected tensors that `torch.save` wrote"
    );
    assert!(problem(&pickle(&value)).contains("a pickle of something else"));
    assert!(problem(&legacy(&dictionary(&[]))).contains("belongs to no tensor"));
}

#[test]
fn other_kinds_of_files_are_named() {
    for (bytes, expected) in [
        (&b""[..], "is empty"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        (b"<!doctype html><html></html>", "web page"),
        (&[0; 600], "zeros alone"),
        (b"Entry not found", "plain text"),
        (b"\xff\x01\x02\x03", "no kind that is known"),
    ] {
        let found = problem(bytes);
        assert!(found.contains(expected), "{found}, not {expected}");
    }
    let mut tar = vec![1; 600];
    tar[257..262].copy_from_slice(b"ustar");
    assert!(problem(&tar).contains("a tar archive"));
}

proptest! {
    #[test]
    fn damaged_files_never_panic(file in 0..NAMES.len(), position in 0usize..10_000, bytes in any::<[u8; 3]>()) {
        let mut damaged = std::fs::read(golden(NAMES[file])).unwrap();
        let position = position % (damaged.len() - 3);
        damaged[position..position + 3].copy_from_slice(&bytes);
        if let Ok(file) = open(&damaged) {
            let _ = file.read_all();
        }
    }

    #[test]
    fn no_pickle_at_all_panics(instructions in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = open(&archive(&instructions));
        let _ = open(&legacy(&instructions));
    }
}
