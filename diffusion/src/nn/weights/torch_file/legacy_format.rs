//! What `torch.save` wrote before PyTorch 1.6, and writes when it is asked not to make a zip archive: five pickles, and
//! the storages after them.

use std::collections::BTreeMap;

use super::super::WeightsError;
use super::machine::Pickle;
use super::named_tensors::named_tensors;
use super::placed_tensor::{PlacedTensor, place};
use super::positional_file::PositionalFile;
use super::storage::Storage;
use super::values::{Value, ValueId};
use super::{LONGEST_PICKLE, TorchFileError};

/// The number that the first pickle holds, little-endian.
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/// The number that the second pickle holds.
const FORMAT: i64 = 1001;

/// Bytes before each storage, which hold the number of its elements.
const COUNT: u64 = 8;

/// Every tensor of a file by name.
pub(super) fn read(file: &PositionalFile) -> Result<BTreeMap<String, PlacedTensor>, WeightsError> {
    let head_length = file.length().min(LONGEST_PICKLE);
    let head = file.bytes(0, head_length, "its pickle")?;
    let is_whole = head_length == file.length();
    let problem = |error: TorchFileError| match error {
        TorchFileError::Truncated { .. } if !is_whole => file.problem(TorchFileError::TooMany {
            what: "bytes",
            limit: LONGEST_PICKLE as usize,
        }),
        error => file.problem(error),
    };
    let object = check_preamble(&head).map_err(problem)?;
    let object = Pickle::read(&head, object).map_err(problem)?;
    let keys = Pickle::read(&head, object.end).map_err(problem)?;
    let begins = storage_begins(file, &object.storages, &keys)?;
    let tensors = named_tensors(&object).map_err(problem)?;
    let begin = |storage: &Storage<'_>| {
        begins
            .get(storage.key)
            .copied()
            .ok_or_else(|| TorchFileError::Storage {
                key: storage.key.to_owned(),
                reason: "is lacking",
            })
    };
    place(&tensors, file.length(), begin).map_err(problem)
}

/// Checks the three pickles before the object, and returns where they end.
fn check_preamble(head: &[u8]) -> Result<usize, TorchFileError> {
    let magic = Pickle::read(head, 0)?;
    if !matches!(magic.value(), Value::LongInteger(bytes) if *bytes == MAGIC) {
        return Err(TorchFileError::OtherKind {
            found: "a pickle of something else",
        });
    }
    let format = Pickle::read(head, magic.end)?;
    if !matches!(format.value(), Value::Integer(FORMAT)) {
        return Err(TorchFileError::OtherKind {
            found: "of a format of PyTorch's that is not known",
        });
    }
    // The third says what machine wrote it; storages are little-endian whatever it was.
    let machine = Pickle::read(head, format.end)?;
    Ok(machine.end)
}

/// Where the bytes of each storage begin, which lie one after the other in the order of the keys.
fn storage_begins(
    file: &PositionalFile,
    storages: &[Storage<'_>],
    keys: &Pickle<'_>,
) -> Result<BTreeMap<String, u64>, WeightsError> {
    let storages = by_key(storages).map_err(|error| file.problem(error))?;
    let Value::List(list) = keys.value() else {
        return Err(file.problem(TorchFileError::OtherKind {
            found: "a pickle of something else",
        }));
    };
    let mut begins = BTreeMap::new();
    let mut end = keys.end as u64;
    for key in list {
        let (key, storage) = listed(keys, *key, &storages).map_err(|error| file.problem(error))?;
        let problem = |reason| {
            file.problem(TorchFileError::Storage {
                key: key.to_owned(),
                reason,
            })
        };
        let count = file.bytes(end, COUNT, "its storages")?;
        if count != storage.count.to_le_bytes() {
            return Err(problem("has another length than the pickle says"));
        }
        let begin = end + COUNT;
        let last = begin.checked_add(storage.whole_length());
        end = last.filter(|end| *end <= file.length()).ok_or_else(|| {
            file.problem(TorchFileError::Truncated {
                place: "its storages",
            })
        })?;
        if begins.insert(key.to_owned(), begin).is_some() {
            return Err(problem("is there twice"));
        }
    }
    match end == file.length() {
        true => Ok(begins),
        false => Err(file.problem(TorchFileError::OtherKind {
            found: "longer than its tensors",
        })),
    }
}

/// The key and the storage that an item of the list of keys means.
fn listed<'k>(
    keys: &Pickle<'k>,
    key: ValueId,
    storages: &BTreeMap<&str, Storage<'k>>,
) -> Result<(&'k str, Storage<'k>), TorchFileError> {
    let Value::Text(key) = keys.values.get(key) else {
        return Err(TorchFileError::OtherKind {
            found: "a pickle of something else",
        });
    };
    let storage = storages.get(*key).ok_or_else(|| TorchFileError::Storage {
        key: (*key).to_owned(),
        reason: "belongs to no tensor",
    })?;
    Ok((*key, *storage))
}

/// The storages, each once.
fn by_key<'a>(storages: &[Storage<'a>]) -> Result<BTreeMap<&'a str, Storage<'a>>, TorchFileError> {
    let mut found: BTreeMap<&str, Storage<'a>> = BTreeMap::new();
    for storage in storages {
        let first = found.entry(storage.key).or_insert(*storage);
        if (first.count, first.whole_length()) != (storage.count, storage.whole_length()) {
            return Err(TorchFileError::Storage {
                key: storage.key.to_owned(),
                reason: "has two lengths",
            });
        }
    }
    Ok(found)
}
