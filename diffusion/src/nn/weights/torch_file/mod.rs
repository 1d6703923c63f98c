//! Reads the tensors of files that PyTorch's `torch.save` wrote, and builds nothing else.
//!
//! Such a file holds a pickle, a program for a small machine that can import and call anything. The machine here
//! ([`machine`]) has the instructions that `torch.save` writes; a name becomes a value of this program if it is
//! [known](known_names), and a call of any other name is an error that says it. Nothing is ever called. What else a
//! checkpoint holds beside tensors is skipped. Both formats are read: [zip archives](archive_format), and the
//! [older one](legacy_format). Burn's own `pytorch-reader` also reads these files, but takes objects of every class as
//! data, so that what a file wanted to call goes unsaid, and it reads tensors whole.

mod archive;
mod archive_format;
mod calls;
mod constants;
mod cursor;
mod error;
mod instruction;
mod known_names;
mod layout;
mod legacy_format;
mod machine;
mod named_tensors;
mod placed_tensor;
mod positional_file;
mod rebuild;
mod stack;
mod storage;
#[cfg(test)]
mod tests;
mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::Metadata;
use std::path::Path;

pub use error::TorchFileError;
use safetensors::Dtype;

use self::placed_tensor::PlacedTensor;
use self::positional_file::{ContiguousPart, PositionalFile};
use super::{HostTensor, PartReader, TensorSource, WeightsError};
use crate::input_file::{Contents, InputFileError};

/// The longest pickle that is read, without the tensors; published checkpoints have a megabyte.
const LONGEST_PICKLE: u64 = 64 << 20;

/// Bytes from which the format is recognised.
const HEAD: u64 = 512;

/// Bytes that are hashed at a time.
const BLOCK: usize = 1 << 24;

/// The tensors of a file that `torch.save` wrote, by the keys of its dictionaries with dots between.
///
/// Tensors are read when they are asked for, from the file that was opened, whatever lies under its name by then.
/// [`DigestedTensors`](super::DigestedTensors) hashes them on their way, and gives the same tensors in a safetensors
/// file the same digest.
#[derive(Debug, Clone)]
pub struct TorchFile {
    file: PositionalFile,
    /// The key below which the tensors lie.
    inside: Option<String>,
    tensors: BTreeMap<String, PlacedTensor>,
}

impl TorchFile {
    /// Reads what the file says of its tensors, and checks it against the file.
    ///
    /// # Errors
    /// When the file cannot be read, is cut off or another kind of file, wants to call anything, holds no dictionary
    /// of tensors, or says of one what cannot be.
    pub fn open(path: &Path) -> Result<Self, WeightsError> {
        let file = PositionalFile::open(path)?;
        let head = file.bytes(0, file.length().min(HEAD), "its first bytes")?;
        let tensors = if head.starts_with(b"PK\x03\x04") {
            archive_format::read(&file)?
        } else if head.starts_with(&[instruction::PROTO]) {
            legacy_format::read(&file)?
        } else {
            return Err(other_kind(&file, &head));
        };
        Ok(Self {
            file,
            inside: None,
            tensors,
        })
    }

    /// The tensors below a key, such as `state_dict`, by names without it.
    ///
    /// # Errors
    /// When there are none.
    pub fn inside(self, key: &str) -> Result<Self, WeightsError> {
        let below = |name: &String| Some(name.strip_prefix(key)?.strip_prefix('.')?.to_owned());
        let tensors: BTreeMap<_, _> = self
            .tensors
            .iter()
            .filter_map(|(name, tensor)| Some((below(name)?, tensor.clone())))
            .collect();
        if tensors.is_empty() {
            let first = |name: &String| name.split('.').next().unwrap_or_default().to_owned();
            let found: BTreeSet<String> = self.tensors.keys().map(first).collect();
            return Err(self.file.problem(TorchFileError::NoPart {
                key: key.to_owned(),
                found: found.into_iter().collect(),
            }));
        }
        let inside = match &self.inside {
            Some(outer) => format!("{outer}.{key}"),
            None => key.to_owned(),
        };
        Ok(Self {
            file: self.file,
            inside: Some(inside),
            tensors,
        })
    }

    /// The file's path.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// What the system says of the file that was opened, whatever lies under its name by now.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn file_metadata(&self) -> Result<Metadata, WeightsError> {
        self.file.metadata()
    }

    /// The BLAKE3 digest of all bytes of the file that was opened, tensors and whatever else it holds.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn digest_file(&self) -> Result<blake3::Hash, WeightsError> {
        let mut hasher = blake3::Hasher::new();
        let mut block = Vec::new();
        for begin in (0..self.file.length()).step_by(BLOCK) {
            let length = (self.file.length() - begin).min(BLOCK as u64);
            block.resize(length as usize, 0);
            self.file.fill(begin, &mut block)?;
            hasher.update_rayon(&block);
        }
        Ok(hasher.finalize())
    }

    fn tensor(&self, name: &str) -> Result<&PlacedTensor, WeightsError> {
        self.tensors.get(name).ok_or_else(|| WeightsError::NoTensor {
            tensor: name.to_owned(),
            origin: self.origin(),
        })
    }
}

impl TensorSource for TorchFile {
    fn origin(&self) -> String {
        let path = self.file.path().display();
        match &self.inside {
            Some(key) => format!("{path} below {key}"),
            None => path.to_string(),
        }
    }

    fn names(&self) -> Vec<String> {
        self.tensors.keys().cloned().collect()
    }

    fn describe(&self, name: &str) -> Option<(Dtype, Vec<usize>)> {
        let tensor = self.tensors.get(name)?;
        Some((tensor.dtype, tensor.layout.shape().to_vec()))
    }

    fn read(&self, name: &str) -> Result<HostTensor, WeightsError> {
        let tensor = self.tensor(name)?;
        let data = if tensor.layout.is_contiguous() {
            self.file
                .bytes(tensor.begin, tensor.length() as u64, "its tensors")?
        } else {
            let span = self.file.bytes(tensor.begin, tensor.span(), "its tensors")?;
            tensor.layout.gather(&span, tensor.width())
        };
        Ok(HostTensor {
            dtype: tensor.dtype,
            shape: tensor.layout.shape().to_vec(),
            data,
        })
    }

    fn parts(&self, name: &str) -> Result<Box<dyn PartReader>, WeightsError> {
        let tensor = self.tensor(name)?;
        if !tensor.layout.is_contiguous() {
            return Ok(Box::new(self.read(name)?));
        }
        Ok(Box::new(ContiguousPart {
            file: self.file.clone(),
            begin: tensor.begin,
        }))
    }
}

/// The error of a file that begins as none of PyTorch's does.
fn other_kind(file: &PositionalFile, head: &[u8]) -> WeightsError {
    if head.get(257..262).is_some_and(|word| word == b"ustar") {
        return file.problem(TorchFileError::OtherKind {
            found: "a tar archive, as PyTorch before 0.2 wrote",
        });
    }
    match Contents::of_anything(head) {
        Some(found) => WeightsError::File(InputFileError::Contents {
            path: file.path().to_owned(),
            found,
            expected: "a file that `torch.save` wrote",
        }),
        None => file.problem(TorchFileError::OtherKind {
            found: "of no kind that is known",
        }),
    }
}
