//! What can be wrong with a weight file, and with a file's fit to a module.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use safetensors::Dtype;

/// A failure to read, check or write weights.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
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
    #[error("No `{stem}.safetensors`, `{stem}.safetensors.index.json` or `{stem}.fp16.safetensors` in `{}`", folder.display())]
    NoFile {
        /// The component's folder.
        folder: PathBuf,
        /// The file name without its extension.
        stem: String,
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
    /// The header is not the JSON it should be.
    #[error("Malformed header in `{}`", path.display())]
    Header {
        /// The file.
        path: PathBuf,
        /// The parser's reason.
        source: serde_json::Error,
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
    /// An index file is not the JSON it should be.
    #[error("Malformed index `{}`", path.display())]
    Index {
        /// The file.
        path: PathBuf,
        /// The parser's reason.
        source: serde_json::Error,
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
    /// A tensor's element type is not a float type that can be converted.
    #[error("Tensor of {found:?} elements, expected F16, BF16, F32 or F64")]
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

/// One way in which a tensor does not fit its parameter.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum LoadProblem {
    /// The module has a parameter that the source lacks.
    #[error("missing `{name}`, expected shape {expected:?}")]
    Missing {
        /// The tensor's name.
        name: String,
        /// The parameter's shape.
        expected: Vec<usize>,
    },
    /// The source has a tensor that the module lacks.
    #[error("unused `{name}` of shape {found:?}")]
    Unused {
        /// The tensor's name.
        name: String,
        /// The tensor's shape.
        found: Vec<usize>,
    },
    /// Parameter and tensor have different shapes.
    #[error("`{name}` has shape {found:?}, expected {expected:?}")]
    Shape {
        /// The tensor's name.
        name: String,
        /// The parameter's shape.
        expected: Vec<usize>,
        /// The tensor's shape.
        found: Vec<usize>,
    },
    /// The tensor's elements are not floats.
    #[error("`{name}` has {found:?} elements, expected F16, BF16, F32 or F64")]
    NotFloat {
        /// The tensor's name.
        name: String,
        /// The tensor's element type.
        found: Dtype,
    },
    /// The tensor holds NaN or infinite elements.
    #[error("`{name}` holds {count} NaN or infinite elements")]
    NotFinite {
        /// The tensor's name.
        name: String,
        /// How many.
        count: usize,
    },
    /// The tensor holds finite elements that the wanted type cannot.
    #[error("`{name}` holds {count} elements beyond the range of {dtype}")]
    OutOfRange {
        /// The tensor's name.
        name: String,
        /// How many.
        count: usize,
        /// The wanted type.
        dtype: &'static str,
    },
}

impl LoadProblem {
    /// The tensor's name.
    pub fn name(&self) -> &str {
        match self {
            Self::Missing { name, .. }
            | Self::Unused { name, .. }
            | Self::Shape { name, .. }
            | Self::NotFloat { name, .. }
            | Self::NotFinite { name, .. }
            | Self::OutOfRange { name, .. } => name,
        }
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

struct Listed<'a>(&'a [LoadProblem], &'a BTreeMap<String, String>);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 8;
        for (index, problem) in self.0.iter().take(SHOWN).enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{problem}")?;
            if let Some(shard) = self.1.get(problem.name()) {
                write!(f, " in `{shard}`")?;
            }
        }
        if self.0.len() > SHOWN {
            write!(f, "; and {} more", self.0.len() - SHOWN)?;
        }
        Ok(())
    }
}
