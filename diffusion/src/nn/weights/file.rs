//! One safetensors file, opened by its header and read tensor by tensor.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use safetensors::Dtype;

use super::header::{Header, TensorEntry};
use super::{HostTensor, PartReader, TensorSource, WeightsError};
use crate::input_file::open_file;

/// A safetensors file whose header has been read and checked.
///
/// The file's length is checked against the header when it is opened, so a download that was cut
/// off is found before any work is done. It stays open: another file that takes its name meanwhile
/// is not read.
#[derive(Debug, Clone)]
pub struct SafetensorsFile {
    path: PathBuf,
    file: Arc<File>,
    header: Header,
}

impl SafetensorsFile {
    /// Reads and checks a file's header.
    ///
    /// # Errors
    /// When the file cannot be read, is cut off, has bytes left over, or its header is malformed,
    /// longer than [`MAX_HEADER_BYTES`](super::MAX_HEADER_BYTES), or describes tensors that overlap or leave gaps.
    pub fn open(path: &Path) -> Result<Self, WeightsError> {
        let (mut file, found) = open_file(path).map_err(WeightsError::File)?;
        let header = Header::read(path, &mut file, found)?;
        Ok(Self {
            path: path.to_owned(),
            file: Arc::new(file),
            header,
        })
    }

    /// The file's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the system says of the file that was opened, whatever lies under its name by now.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn file_metadata(&self) -> Result<Metadata, WeightsError> {
        self.file.metadata().map_err(|source| WeightsError::Read {
            path: self.path.clone(),
            source,
        })
    }

    /// Every tensor's header entry, by name.
    pub fn entries(&self) -> &BTreeMap<String, TensorEntry> {
        &self.header.entries
    }

    /// What the header says besides the tensors.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.header.metadata
    }

    fn entry(&self, name: &str) -> Result<&TensorEntry, WeightsError> {
        let entry = self.header.entries.get(name);
        entry.ok_or_else(|| WeightsError::NoTensor {
            tensor: name.to_owned(),
            origin: self.origin(),
        })
    }
}

impl TensorSource for SafetensorsFile {
    fn origin(&self) -> String {
        self.path.display().to_string()
    }

    fn names(&self) -> Vec<String> {
        self.header.entries.keys().cloned().collect()
    }

    fn describe(&self, name: &str) -> Option<(Dtype, Vec<usize>)> {
        self.header
            .entries
            .get(name)
            .map(|entry| (entry.dtype, entry.shape.clone()))
    }

    fn read(&self, name: &str) -> Result<HostTensor, WeightsError> {
        let entry = self.entry(name)?;
        let (begin, end) = entry.data_offsets;
        let mut data = vec![0; (end - begin) as usize];
        self.parts(name)?.read_part(0, &mut data)?;
        Ok(HostTensor {
            dtype: entry.dtype,
            shape: entry.shape.clone(),
            data,
        })
    }

    fn parts(&self, name: &str) -> Result<Box<dyn PartReader>, WeightsError> {
        let entry = self.entry(name)?;
        Ok(Box::new(FilePart {
            file: Arc::clone(&self.file),
            path: self.path.clone(),
            begin: self.header.data_begin + entry.data_offsets.0,
        }))
    }
}

/// A tensor in an open file.
struct FilePart {
    file: Arc<File>,
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
pub(super) fn read_exact_at(file: &File, begin: u64, out: &mut [u8]) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, out, begin)
}

#[cfg(windows)]
pub(super) fn read_exact_at(file: &File, begin: u64, out: &mut [u8]) -> std::io::Result<()> {
    let mut done = 0;
    while done < out.len() {
        match std::os::windows::fs::FileExt::seek_read(file, &mut out[done..], begin + done as u64)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            read => done += read,
        }
    }
    Ok(())
}
