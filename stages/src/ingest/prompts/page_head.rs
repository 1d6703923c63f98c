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
    /// Values in the page.
    values: u64,
    /// Whether a value may be made of bytes that others are made of too.
    repeats: bool,
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
        let (mut packed, mut unpacked) = (None, None);
        let mut page = Values::default();
        let mut input = Compact::new(bytes);
        input.record(|input, number, kind| {
            match (number, kind) {
                (2, Kind::Whole) => unpacked = Some(u64::try_from(input.whole()?).ok()?),
                (3, Kind::Whole) => packed = Some(u64::try_from(input.whole()?).ok()?),
                (DATA | DICTIONARY | DATA_2, Kind::Struct) => page.read(input, number)?,
                _ => return Some(false),
            }
            Some(true)
        })?;
        Some(Self {
            length: input.position() as u64,
            packed: packed?,
            unpacked: unpacked?,
            plain: u64::try_from(page.plain).ok()?,
            values: u64::try_from(page.values).ok()?,
            repeats: page.repeats,
        })
    }

    /// Bytes that a value of the page takes in a batch of rows: on average where the page holds each value, and at most
    /// where values are made again and again of the same bytes.
    pub(super) fn bytes_per_value(&self) -> u64 {
        match self.repeats {
            true => self.unpacked,
            false => self.unpacked.div_ceil(self.values.max(1)),
        }
    }
}

/// Fields of a head that tell its page.
const DATA: i16 = 5;
const DICTIONARY: i16 = 7;
const DATA_2: i16 = 8;

/// The number of the encoding in which a value begins like the one before.
const DELTA_BYTE_ARRAY: i64 = 7;

/// What a head says of the values.
#[derive(Default)]
struct Values {
    values: i64,
    repeats: bool,
    plain: i64,
}

impl Values {
    fn read(&mut self, input: &mut Compact<'_>, page: i16) -> Option<()> {
        self.repeats |= page == DICTIONARY;
        input.record(|input, number, kind| {
            match (page, number, kind) {
                (_, 1, Kind::Whole) => self.values = input.whole()?,
                (DATA, 2, Kind::Whole) | (DATA_2, 4, Kind::Whole) => {
                    self.repeats |= input.whole()? == DELTA_BYTE_ARRAY;
                }
                // The second form of data pages begins with levels that are not packed.
                (DATA_2, 5 | 6, Kind::Whole) => self.plain = self.plain.checked_add(input.whole()?)?,
                _ => return Some(false),
            }
            Some(true)
        })
    }
}
