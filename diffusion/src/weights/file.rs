//! One safetensors file, opened by its header and read tensor by tensor.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use safetensors::Dtype;
use serde::Deserialize;

use super::{HostTensor, PartReader, TensorSource, WeightsError};

/// The longest header that is read: the limit that the format itself sets, 100 MB.
pub const MAX_HEADER_BYTES: u64 = 100_000_000;

/// A safetensors file whose header has been read and checked.
///
/// The file's length is checked against the header when it is opened, so a download that was cut
/// off is found before any work is done.
#[derive(Debug, Clone)]
pub struct SafetensorsFile {
    path: PathBuf,
    data_begin: u64,
    entries: BTreeMap<String, TensorEntry>,
}

/// What a header says of one tensor.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct TensorEntry {
    /// Element type.
    pub dtype: Dtype,
    /// Shape, outermost axis first.
    pub shape: Vec<usize>,
    /// First byte and one past the last, counted from the end of the header.
    pub data_offsets: (u64, u64),
}

impl SafetensorsFile {
    /// Reads and checks a file's header.
    ///
    /// # Errors
    /// When the file cannot be read, is cut off, has bytes left over, or its header is malformed,
    /// longer than [`MAX_HEADER_BYTES`], or describes tensors that overlap or leave gaps.
    pub fn open(path: &Path) -> Result<Self, WeightsError> {
        let read = |source| WeightsError::Read {
            path: path.to_owned(),
            source,
        };
        let mut file = File::open(path).map_err(read)?;
        let found = file.metadata().map_err(read)?.len();
        if found < 8 {
            return Err(WeightsError::Truncated {
                path: path.to_owned(),
                expected: 8,
                found,
            });
        }
        let mut length = [0; 8];
        file.read_exact(&mut length).map_err(read)?;
        let header_bytes = u64::from_le_bytes(length);
        if header_bytes > MAX_HEADER_BYTES {
            return Err(WeightsError::HeaderTooLong {
                path: path.to_owned(),
                bytes: header_bytes,
                limit: MAX_HEADER_BYTES,
            });
        }
        let data_begin = 8 + header_bytes;
        if found < data_begin {
            return Err(WeightsError::Truncated {
                path: path.to_owned(),
                expected: data_begin,
                found,
            });
        }
        let mut header = vec![0; header_bytes as usize];
        file.read_exact(&mut header).map_err(read)?;
        let entries = parse_header(path, &header)?;
        let expected = data_begin + check_layout(path, &entries)?;
        match found.cmp(&expected) {
            std::cmp::Ordering::Less => Err(WeightsError::Truncated {
                path: path.to_owned(),
                expected,
                found,
            }),
            std::cmp::Ordering::Greater => Err(WeightsError::Trailing {
                path: path.to_owned(),
                expected,
                found,
            }),
            std::cmp::Ordering::Equal => Ok(Self {
                path: path.to_owned(),
                data_begin,
                entries,
            }),
        }
    }

    /// The file's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Every tensor's header entry, by name.
    pub fn entries(&self) -> &BTreeMap<String, TensorEntry> {
        &self.entries
    }
}

impl TensorSource for SafetensorsFile {
    fn origin(&self) -> String {
        self.path.display().to_string()
    }

    fn names(&self) -> Vec<String> {
        self.entries.keys().cloned().collect()
    }

    fn describe(&self, name: &str) -> Option<(Dtype, Vec<usize>)> {
        self.entries
            .get(name)
            .map(|entry| (entry.dtype, entry.shape.clone()))
    }

    fn read(&self, name: &str) -> Result<HostTensor, WeightsError> {
        let entry = self.entries.get(name).ok_or_else(|| WeightsError::NoTensor {
            tensor: name.to_owned(),
            origin: self.origin(),
        })?;
        let read = |source| WeightsError::Read {
            path: self.path.clone(),
            source,
        };
        let (begin, end) = entry.data_offsets;
        let mut file = File::open(&self.path).map_err(read)?;
        file.seek(SeekFrom::Start(self.data_begin + begin))
            .map_err(read)?;
        let mut data = vec![0; (end - begin) as usize];
        file.read_exact(&mut data).map_err(read)?;
        Ok(HostTensor {
            dtype: entry.dtype,
            shape: entry.shape.clone(),
            data,
        })
    }

    fn parts(&self, name: &str) -> Result<Box<dyn PartReader>, WeightsError> {
        let entry = self.entries.get(name).ok_or_else(|| WeightsError::NoTensor {
            tensor: name.to_owned(),
            origin: self.origin(),
        })?;
        let file = File::open(&self.path).map_err(|source| WeightsError::Read {
            path: self.path.clone(),
            source,
        })?;
        Ok(Box::new(FilePart {
            file,
            path: self.path.clone(),
            begin: self.data_begin + entry.data_offsets.0,
        }))
    }
}

/// A tensor in an open file.
struct FilePart {
    file: File,
    path: PathBuf,
    /// The tensor's first byte, counted from the file's.
    begin: u64,
}

impl PartReader for FilePart {
    fn read_part(&self, begin: u64, out: &mut [u8]) -> Result<(), WeightsError> {
        read_exact_at(&self.file, self.begin + begin, out).map_err(|source| WeightsError::Read {
            path: self.path.clone(),
            source,
        })
    }
}

#[cfg(unix)]
fn read_exact_at(file: &File, begin: u64, out: &mut [u8]) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, out, begin)
}

#[cfg(windows)]
fn read_exact_at(file: &File, begin: u64, out: &mut [u8]) -> std::io::Result<()> {
    let mut done = 0;
    while done < out.len() {
        match std::os::windows::fs::FileExt::seek_read(file, &mut out[done..], begin + done as u64)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            read => done += read,
        }
    }
    Ok(())
}

fn parse_header(path: &Path, header: &[u8]) -> Result<BTreeMap<String, TensorEntry>, WeightsError> {
    let malformed = |source| WeightsError::Header {
        path: path.to_owned(),
        source,
    };
    let mut fields: BTreeMap<String, serde_json::Value> =
        serde_json::from_slice(header).map_err(malformed)?;
    fields.remove("__metadata__");
    fields
        .into_iter()
        .map(|(name, value)| Ok((name, serde_json::from_value(value).map_err(malformed)?)))
        .collect()
}

/// Checks that the tensors tile the data exactly, and returns the data's length.
fn check_layout(path: &Path, entries: &BTreeMap<String, TensorEntry>) -> Result<u64, WeightsError> {
    let mut in_order: Vec<_> = entries.iter().collect();
    in_order.sort_by_key(|(_, entry)| entry.data_offsets);
    let mut position = 0;
    for (name, entry) in in_order {
        let (begin, end) = entry.data_offsets;
        if begin != position || end < begin {
            return Err(WeightsError::Offsets {
                path: path.to_owned(),
                tensor: name.clone(),
                begin,
                end,
                expected: position,
            });
        }
        let expected = byte_count(entry);
        if expected != Some(end - begin) {
            return Err(WeightsError::Size {
                path: path.to_owned(),
                tensor: name.clone(),
                dtype: entry.dtype,
                shape: entry.shape.clone(),
                expected,
                found: end - begin,
            });
        }
        position = end;
    }
    Ok(position)
}

fn byte_count(entry: &TensorEntry) -> Option<u64> {
    let elements = entry.shape.iter().try_fold(1u64, |product, extent| {
        product.checked_mul(u64::try_from(*extent).ok()?)
    })?;
    let bits = elements.checked_mul(entry.dtype.bitsize() as u64)?;
    bits.is_multiple_of(8).then_some(bits / 8)
}
