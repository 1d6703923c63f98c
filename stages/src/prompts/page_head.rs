//! What stands before the bytes of a page of a Parquet file.

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};

use parquet::basic::Compression;

use super::compact_thrift::{Compact, Kind};

/// The sizes of a page.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PageHead {
    /// Bytes of the head itself.
    pub(super) length: u64,
    /// Bytes of the page in the file.
    pub(super) packed: u64,
    /// Bytes of the page unpacked.
    pub(super) unpacked: u64,
    /// Bytes at the beginning that are never packed.
    plain: u64,
}

impl PageHead {
    /// Reads the head at a place of the file; nothing if there is none before `end`.
    pub(super) fn read(file: &mut File, at: u64, end: u64) -> io::Result<Option<Self>> {
        // Statistics in a head hold whole values, which may be long.
        for window in [512, 64 << 10, 16 << 20] {
            let mut bytes = Vec::new();
            file.seek(SeekFrom::Start(at))?;
            file.take((end - at).min(window)).read_to_end(&mut bytes)?;
            if let Some(head) = Self::parse(&bytes) {
                return Ok(Some(head));
            }
        }
        Ok(None)
    }

    /// Whether the bytes at a place of the file unpack to more than the head says.
    ///
    /// Only the codecs whose decoders go on as long as bytes come are asked; the others stop at the declared size.
    pub(super) fn unpacks_to_more(&self, file: &mut File, at: u64, codec: Compression) -> io::Result<bool> {
        let gzip = matches!(codec, Compression::GZIP(_));
        if !gzip && !matches!(codec, Compression::BROTLI(_)) {
            return Ok(false);
        }
        file.seek(SeekFrom::Start(at.saturating_add(self.plain)))?;
        let packed = file.take(self.packed.saturating_sub(self.plain));
        let expected = self.unpacked.saturating_sub(self.plain);
        let mut unpacked: Box<dyn Read> = match gzip {
            true => Box::new(flate2::read::MultiGzDecoder::new(packed)),
            false => Box::new(brotli::Decompressor::new(packed, 4096)),
        };
        let counted = io::copy(
            &mut unpacked.by_ref().take(expected.saturating_add(1)),
            &mut io::sink(),
        );
        // What cannot be unpacked, or is not packed although it could be, is for the reader to judge.
        Ok(counted.is_ok_and(|count| count > expected))
    }

    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let (mut packed, mut unpacked, mut plain) = (None, None, 0_i64);
        let mut input = Compact::new(bytes);
        input.record(|input, number, kind| {
            match (number, kind) {
                (2, Kind::Whole) => unpacked = Some(u64::try_from(input.whole()?).ok()?),
                (3, Kind::Whole) => packed = Some(u64::try_from(input.whole()?).ok()?),
                // The second form of data pages begins with levels that are not packed.
                (8, Kind::Struct) => input.record(|input, number, kind| {
                    if !matches!((number, kind), (5 | 6, Kind::Whole)) {
                        return Some(false);
                    }
                    plain = plain.checked_add(input.whole()?)?;
                    Some(true)
                })?,
                _ => return Some(false),
            }
            Some(true)
        })?;
        Some(Self {
            length: input.position() as u64,
            packed: packed?,
            unpacked: unpacked?,
            plain: u64::try_from(plain).ok()?,
        })
    }
}
