//! A file that stays open and is read at positions.

use std::fs::{File, Metadata};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::file::read_exact_at;
use super::super::{PartReader, WeightsError};
use super::TorchFileError;
use crate::input_file::open_file;

/// A regular file and its length at the time it was opened.
#[derive(Debug, Clone)]
pub(super) struct PositionalFile {
    path: PathBuf,
    file: Arc<File>,
    length: u64,
}

impl PositionalFile {
    pub(super) fn open(path: &Path) -> Result<Self, WeightsError> {
        let (file, length) = open_file(path)?;
        Ok(Self {
            path: path.to_owned(),
            file: Arc::new(file),
            length,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// What the system says of the file that was opened.
    pub(super) fn metadata(&self) -> Result<Metadata, WeightsError> {
        self.file.metadata().map_err(|source| self.unreadable(source))
    }

    /// An error of this file.
    pub(super) fn problem(&self, source: TorchFileError) -> WeightsError {
        WeightsError::Torch {
            path: self.path.clone(),
            source,
        }
    }

    pub(super) fn fill(&self, begin: u64, out: &mut [u8]) -> Result<(), WeightsError> {
        read_exact_at(&self.file, begin, out).map_err(|source| self.unreadable(source))
    }

    /// Reads bytes that lie in the file, and allocates nothing for those that do not.
    pub(super) fn bytes(
        &self,
        begin: u64,
        length: u64,
        place: &'static str,
    ) -> Result<Vec<u8>, WeightsError> {
        let end = begin.checked_add(length).filter(|end| *end <= self.length);
        let (Some(_), Ok(length)) = (end, usize::try_from(length)) else {
            return Err(self.problem(TorchFileError::Truncated { place }));
        };
        let mut bytes = vec![0; length];
        self.fill(begin, &mut bytes)?;
        Ok(bytes)
    }

    fn unreadable(&self, source: std::io::Error) -> WeightsError {
        WeightsError::Read {
            path: self.path.clone(),
            source,
        }
    }
}

/// A tensor whose elements lie one after the other in an open file.
pub(super) struct ContiguousPart {
    pub(super) file: PositionalFile,
    /// The tensor's first byte, counted from the file's.
    pub(super) begin: u64,
}

impl PartReader for ContiguousPart {
    fn read_part(&self, begin: u64, out: &mut [u8]) -> Result<(), WeightsError> {
        self.file.fill(self.begin + begin, out)
    }
}
