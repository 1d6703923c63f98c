//! What `torch.save` writes since PyTorch 1.6: a zip archive of a pickle and one entry per storage.

use std::collections::BTreeMap;

use super::super::WeightsError;
use super::archive::{Entry, entries};
use super::machine::Pickle;
use super::named_tensors::named_tensors;
use super::placed_tensor::{PlacedTensor, place};
use super::positional_file::PositionalFile;
use super::{LONGEST_PICKLE, TorchFileError};

const PICKLE: &str = "data.pkl";
const BYTE_ORDER: &str = "byteorder";

/// Every tensor of an archive by name.
pub(super) fn read(file: &PositionalFile) -> Result<BTreeMap<String, PlacedTensor>, WeightsError> {
    let archive = Archive::open(file)?;
    archive.check_byte_order()?;
    let bytes = archive.read_entry(PICKLE, LONGEST_PICKLE)?;
    let problem = |error| file.problem(error);
    let pickle = Pickle::read(&bytes, 0).map_err(problem)?;
    if pickle.end != bytes.len() {
        return Err(problem(TorchFileError::Pickle {
            position: pickle.end,
            reason: "goes on after its end",
        }));
    }
    let tensors = named_tensors(&pickle).map_err(problem)?;
    place(&tensors, file.length(), |storage| {
        archive.storage(storage.key, storage.whole_length())
    })
    .map_err(problem)
}

/// The entries of one file, in the folder that bears its name.
struct Archive<'a> {
    file: &'a PositionalFile,
    folder: String,
    entries: BTreeMap<String, Entry>,
}

impl<'a> Archive<'a> {
    fn open(file: &'a PositionalFile) -> Result<Self, WeightsError> {
        let entries = entries(file)?;
        let other = |found| Err(file.problem(TorchFileError::OtherKind { found }));
        let mut folders = entries.keys().filter_map(|name| {
            let folder = name.strip_suffix(PICKLE)?.strip_suffix('/')?;
            (!folder.contains('/')).then(|| folder.to_owned())
        });
        let (folder, second) = (folders.next(), folders.next());
        let Some(folder) = folder else {
            return other("a zip archive of something else");
        };
        if second.is_some() {
            return other("a zip archive of several files of PyTorch");
        }
        let is_program = |name: &String| {
            let inner = name.strip_prefix(&folder).and_then(|name| name.strip_prefix('/'));
            inner.is_some_and(|inner| inner == "constants.pkl" || inner.starts_with("code/"))
        };
        if entries.keys().any(is_program) {
            return other("a program of TorchScript (`torch.jit.save`)");
        }
        Ok(Self {
            file,
            folder,
            entries,
        })
    }

    /// Files of releases before 2.1 do not say it, and were written on little-endian machines.
    fn check_byte_order(&self) -> Result<(), WeightsError> {
        if self.entry(BYTE_ORDER).is_none() {
            return Ok(());
        }
        match self.read_entry(BYTE_ORDER, 16)?.as_slice() {
            b"little" => Ok(()),
            _ => Err(self.file.problem(TorchFileError::Entry {
                entry: self.name(BYTE_ORDER),
                reason: "says that the bytes are in the order of another kind of machine",
            })),
        }
    }

    fn read_entry(&self, name: &str, longest: u64) -> Result<Vec<u8>, WeightsError> {
        let problem = |reason| {
            self.file.problem(TorchFileError::Entry {
                entry: self.name(name),
                reason,
            })
        };
        let entry = self.entry(name).ok_or_else(|| problem("is lacking"))?;
        if entry.length > longest {
            return Err(problem("is longer than any honest one"));
        }
        self.file
            .bytes(entry.begin, entry.length, "an entry of its zip archive")
    }

    /// Where the bytes of a storage begin.
    fn storage(&self, key: &str, length: u64) -> Result<u64, TorchFileError> {
        let problem = |reason| {
            Err(TorchFileError::Storage {
                key: key.to_owned(),
                reason,
            })
        };
        match self.entry(&format!("data/{key}")) {
            Some(entry) if entry.length == length => Ok(entry.begin),
            Some(_) => problem("has another length than the pickle says"),
            None => problem("is lacking"),
        }
    }

    fn entry(&self, name: &str) -> Option<Entry> {
        self.entries.get(&self.name(name)).copied()
    }

    fn name(&self, name: &str) -> String {
        format!("{}/{name}", self.folder)
    }
}
