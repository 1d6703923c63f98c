//! Bytes that are taken one piece after the other.

use super::TorchFileError;

/// The longest line, in which older instructions have names and numbers.
const LONGEST_LINE: usize = 4096;

/// A place in bytes, such as those of a pickle.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    position: usize,
    /// What the bytes are, for messages.
    place: &'static str,
}

impl<'a> Cursor<'a> {
    /// Begins at a position of bytes that may hold something else before it.
    pub(super) fn new(bytes: &'a [u8], position: usize, place: &'static str) -> Self {
        Self {
            bytes,
            position,
            place,
        }
    }

    pub(super) fn position(&self) -> usize {
        self.position
    }

    pub(super) fn remaining(&self) -> usize {
        self.bytes.len().saturating_sub(self.position)
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], TorchFileError> {
        let end = self.position.checked_add(count);
        let taken = end.and_then(|end| self.bytes.get(self.position..end));
        let taken = taken.ok_or(TorchFileError::Truncated { place: self.place })?;
        self.position += count;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], TorchFileError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(super) fn byte(&mut self) -> Result<u8, TorchFileError> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// Takes as many bytes as a length of 64 bits says.
    pub(super) fn take_long(&mut self, count: u64) -> Result<&'a [u8], TorchFileError> {
        // What does not fit a usize is longer than the bytes too.
        self.take(usize::try_from(count).unwrap_or(usize::MAX))
    }

    /// Takes the bytes up to a line feed, and the line feed.
    pub(super) fn line(&mut self) -> Result<&'a [u8], TorchFileError> {
        let begin = self.position;
        let rest = self.bytes.get(begin..).unwrap_or_default();
        match rest.iter().take(LONGEST_LINE).position(|byte| *byte == b'\n') {
            Some(length) => {
                self.position += length + 1;
                Ok(&rest[..length])
            }
            None if rest.len() >= LONGEST_LINE => Err(self.wrong("has a line that is too long")),
            None => Err(TorchFileError::Truncated { place: self.place }),
        }
    }

    pub(super) fn wrong(&self, reason: &'static str) -> TorchFileError {
        TorchFileError::Pickle {
            position: self.position,
            reason,
        }
    }
}
