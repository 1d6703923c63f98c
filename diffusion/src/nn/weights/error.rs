//! What can be wrong with a weight file, and with a file's fit to a module.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use safetensors::Dtype;

use super::load_problem::{Listed, LoadProblem};
use super::torch_file::TorchFileError;
use crate::input_file::{InputFileError, JsonProblem};

/// A failure to read, check or write weights.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// There is no such file, or it is of another kind.
    #[error(transparent)]
    File(#[from] InputFileError),
    /// A file could not be read.
    #[error("Cannot read weights `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// A file could not be written.
    #[error("Cannot write weights `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// The tensors could not be laid out as a safetensors file.
    #[error("Cannot encode tensors as safetensors")]
    Encode {
        /// The encoder's reason.
        source: safetensors::SafeTensorError,
    },
    /// No weight file of the expected name is in a model folder.
    #[error("No `{stem}.safetensors` in `{}`, whole, in shards or of a variant{}", folder.display(), Instead(instead))]
    NoFile {
        /// The component's folder.
        folder: PathBuf,
        /// The file name without its extension.
        stem: String,
        /// Files there that hold weights in some other way.
        instead: Vec<String>,
    },
    /// The file ends before its header does.
    #[error("Truncated safetensors file `{}`: expected {expected} bytes, got {found}", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// The length that the file's header asks for, in bytes.
        expected: u64,
        /// The length of the file, in bytes.
        found: u64,
    },
    /// The file goes on after its last tensor.
    #[error("Trailing bytes in safetensors file `{}`: expected {expected} bytes, got {found}", path.display())]
    Trailing {
        /// The file.
        path: PathBuf,
        /// The length that the file's header asks for, in bytes.
        expected: u64,
        /// The length of the file, in bytes.
        found: u64,
    },
    /// The header claims a length no honest file has.
    #[error("Header of `{}` claims {bytes} bytes, more than the limit of {limit}: not a safetensors file", path.display())]
    HeaderTooLong {
        /// The file.
        path: PathBuf,
        /// The claimed length.
        bytes: u64,
        /// The largest length accepted.
        limit: u64,
    },
    /// The header says of a tensor what cannot be.
    #[error("Header of `{}` gives tensor `{tensor}` the {field} `{found}`, which is none", path.display())]
    Entry {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The field of the entry.
        field: &'static str,
        /// Its value, as JSON.
        found: String,
    },
    /// The header is not the JSON it should be.
    #[error("The header of `{}` is damaged or incomplete", path.display())]
    Header {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and where.
        source: JsonProblem,
    },
    /// A file of PyTorch's is damaged, of another kind, or wants to call something.
    #[error("Cannot read PyTorch's file `{}`", path.display())]
    Torch {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: TorchFileError,
    },
    /// A tensor's byte range does not continue where the one before it ended.
    #[error("Tensor `{tensor}` in `{}` occupies bytes {begin}..{end}, expected to begin at {expected}", path.display())]
    Offsets {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// First byte, counted from the end of the header.
        begin: u64,
        /// One past the last byte.
        end: u64,
        /// Where the tensor must begin.
        expected: u64,
    },
    /// A tensor's byte range does not hold its shape.
    #[error("Tensor `{tensor}` in `{}` has {found} bytes, but {dtype:?} {shape:?} needs {}", path.display(), Needed(*expected))]
    Size {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// Element type.
        dtype: Dtype,
        /// Shape.
        shape: Vec<usize>,
        /// Bytes that type and shape need; `None` when the count overflows.
        expected: Option<u64>,
        /// Bytes in the file.
        found: u64,
    },
    /// An index does not say which file holds each tensor.
    #[error("Index `{}` has no `weight_map` from tensors to files", path.display())]
    Index {
        /// The file.
        path: PathBuf,
    },
    /// An index names a shard outside its own folder.
    #[error("Index `{}` places `{tensor}` in `{shard}`, which is not a plain file name", path.display())]
    ShardName {
        /// The index.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The shard as written.
        shard: String,
    },
    /// An index and the shards disagree on where a tensor is.
    #[error("Index `{}` places `{tensor}` in `{expected}`, but it is in `{found}`", path.display())]
    IndexMismatch {
        /// The index.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The shard that the index names, or `no shard`.
        expected: String,
        /// The shard that holds it, or `no shard`.
        found: String,
    },
    /// A digest was asked of tensors that were not all read once.
    #[error("Weights `{origin}` were read in part or twice, so that they have no digest")]
    NotReadOnce {
        /// Where they come from.
        origin: String,
    },
    /// A tensor was asked for that the source lacks.
    #[error("No tensor `{tensor}` in `{origin}`")]
    NoTensor {
        /// The tensor.
        tensor: String,
        /// Where it was looked for.
        origin: String,
    },
    /// A tensor in memory has fewer bytes than its shape needs.
    #[error("Tensor {dtype:?} {shape:?} in memory has {found} bytes only")]
    Length {
        /// Element type.
        dtype: Dtype,
        /// Shape.
        shape: Vec<usize>,
        /// Bytes.
        found: usize,
    },
    /// A tensor's elements are no numbers, or were asked for in a type that is not written.
    #[error("Tensor of {found:?} elements, expected bool, integers or floats of 8 to 64 bits")]
    NotFloat {
        /// The element type found.
        found: Dtype,
    },
    /// A tensor holds finite elements that a narrower type cannot.
    #[error("Tensor `{tensor}` holds {count} elements beyond the range of {dtype:?}")]
    OutOfRange {
        /// The tensor.
        tensor: String,
        /// The type it is to be written in.
        dtype: Dtype,
        /// How many.
        count: usize,
    },
    /// The tensors do not fit the module.
    #[error("Weights `{origin}` do not fit: {}", Listed(problems, shards))]
    Misfit {
        /// The file, folder or memory the tensors come from.
        origin: String,
        /// Every problem found, in the order of the module's parameters.
        problems: Vec<LoadProblem>,
        /// The file of each tensor with a problem, by name, where there are several files.
        shards: BTreeMap<String, String>,
    },
}

impl WeightsError {
    /// What to do, where that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::File(error) => error.hint(),
            Self::Torch { source, .. } => source.hint().map(str::to_owned),
            Self::Truncated { .. } | Self::Header { .. } => {
                Some("Download it again: the last time did not come to its end".to_owned())
            }
            Self::NoFile { instead, .. } if instead.iter().any(|name| is_pickle(name)) => Some(
                "Models are read from safetensors alone; a pickle is read only where a judge of images comes in one, \
                 and of it only tensors. In Python, diffusers' \
                 `DiffusionPipeline.from_pretrained(OLD).save_pretrained(NEW)` writes a folder with safetensors"
                    .to_owned(),
            ),
            _ => None,
        }
    }
}

/// Whether files of this name hold Python objects.
fn is_pickle(name: &str) -> bool {
    [".bin", ".ckpt", ".pt", ".pth"]
        .iter()
        .any(|end| name.ends_with(end))
}

struct Instead<'a>(&'a [String]);

impl fmt::Display for Instead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.0.iter().enumerate() {
            let start = if index == 0 { "; there is " } else { ", " };
            let kind = if is_pickle(name) { ", a pickle" } else { "" };
            write!(f, "{start}`{name}`{kind}")?;
        }
        Ok(())
    }
}

struct Needed(Option<u64>);

impl fmt::Display for Needed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(bytes) => write!(f, "{bytes}"),
            None => f.write_str("more than fit a file"),
        }
    }
}
