//! The entries of a zip archive, as `torch.save` writes them: neither compressed nor encrypted, in one file.
//!
//! Names and places come from the directory at the end; the header before each entry has to agree with it. (PKWARE,
//! APPNOTE.TXT 6.3.10, sections 4.3 to 4.5.)

use std::collections::BTreeMap;

use super::super::WeightsError;
use super::TorchFileError;
use super::cursor::Cursor;
use super::positional_file::PositionalFile;

/// The longest directory that is read; that of ten thousand tensors has a megabyte.
const LONGEST_DIRECTORY: u64 = 64 << 20;

/// What the file ends in where it ends too early, for messages.
const PLACE: &str = "its zip directory";

const END: [u8; 4] = *b"PK\x05\x06";
const END_LENGTH: u64 = 22;
const LOCATOR: [u8; 4] = *b"PK\x06\x07";
const LOCATOR_LENGTH: u64 = 20;
const LONG_END: [u8; 4] = *b"PK\x06\x06";
const LONG_END_LENGTH: u64 = 56;
const DIRECTORY_ENTRY: [u8; 4] = *b"PK\x01\x02";
const LOCAL_HEADER: [u8; 4] = *b"PK\x03\x04";
const LOCAL_HEADER_LENGTH: u64 = 30;

/// Bits that say that bytes are not as they were given: encrypted, patched, masked.
const DISGUISED: u16 = 1 | 1 << 5 | 1 << 6 | 1 << 13;

/// The extra field that holds what does not fit 32 bits.
const LONG_NUMBERS: u16 = 1;

/// Where the bytes of an entry lie in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) begin: u64,
    pub(super) length: u64,
}

/// Reads the directory and checks every entry against it.
///
/// # Errors
/// When the archive is cut off, or an entry is compressed, encrypted, there twice, outside of the file or within
/// another one.
pub(super) fn entries(file: &PositionalFile) -> Result<BTreeMap<String, Entry>, WeightsError> {
    let (begin, length, count) = directory_place(file)?;
    let bytes = file.bytes(begin, length, PLACE)?;
    let mut cursor = Cursor::new(&bytes, 0, PLACE);
    let mut entries = BTreeMap::new();
    let mut places = Vec::new();
    for _ in 0..count {
        let listed = Listed::read(&mut cursor).map_err(|error| file.problem(error))?;
        let entry = listed.locate(file, begin)?;
        places.push((listed.header, entry.begin + entry.length));
        let repeated = entries.insert(listed.name.clone(), entry).is_some();
        if repeated {
            return Err(listed.problem(file, "is there twice"));
        }
    }
    if cursor.remaining() > 0 {
        return Err(directory(file, "holds more than its entries"));
    }
    places.sort_unstable();
    match places.windows(2).any(|pair| pair[0].1 > pair[1].0) {
        true => Err(directory(file, "places one entry within another")),
        false => Ok(entries),
    }
}

/// First byte and length of the directory, and the number of its entries.
fn directory_place(file: &PositionalFile) -> Result<(u64, u64, u64), WeightsError> {
    let cut = || directory(file, "is not at its end");
    let end = file.length().checked_sub(END_LENGTH).ok_or_else(cut)?;
    let bytes = file.bytes(end, END_LENGTH, PLACE)?;
    // A comment, which torch.save does not write, could hide another directory.
    if bytes[..4] != END || bytes[20..] != [0, 0] {
        return Err(cut());
    }
    let short = |at: usize| u64::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]));
    let long = |at: usize| {
        u64::from(u32::from_le_bytes([
            bytes[at],
            bytes[at + 1],
            bytes[at + 2],
            bytes[at + 3],
        ]))
    };
    let (length, begin) = (long(12), long(16));
    let numbers = [short(4), short(6), short(8), short(10), length, begin];
    let found = match long_end(file, end)? {
        Some((long_end, numbers)) => (long_end, numbers),
        None => (end, numbers),
    };
    let (directory_end, [disk, first_disk, here, count, length, begin]) = found;
    if disk != 0 || first_disk != 0 || here != count {
        return Err(directory(file, "is spread over several files"));
    }
    if length > LONGEST_DIRECTORY || count > length {
        return Err(directory(file, "is longer than any honest one"));
    }
    match begin.checked_add(length) == Some(directory_end) {
        true => Ok((begin, length, count)),
        false => Err(directory(file, "does not lie where it says")),
    }
}

/// Where the end of the directory in 64 bits begins, and its numbers in the order of the short form; none if the file
/// has only the short form.
fn long_end(file: &PositionalFile, end: u64) -> Result<Option<(u64, [u64; 6])>, WeightsError> {
    let Some(locator) = end.checked_sub(LOCATOR_LENGTH) else {
        return Ok(None);
    };
    let bytes = file.bytes(locator, LOCATOR_LENGTH, PLACE)?;
    if bytes[..4] != LOCATOR {
        return Ok(None);
    }
    let place = number(&bytes[8..16]);
    if place.checked_add(LONG_END_LENGTH) != Some(locator) {
        return Err(directory(file, "does not lie where it says"));
    }
    let bytes = file.bytes(place, LONG_END_LENGTH, PLACE)?;
    if bytes[..4] != LONG_END {
        return Err(directory(file, "does not lie where it says"));
    }
    let field = |begin: usize, length: usize| number(&bytes[begin..begin + length]);
    let numbers = [
        field(16, 4),
        field(20, 4),
        field(24, 8),
        field(32, 8),
        field(40, 8),
        field(48, 8),
    ];
    Ok(Some((place, numbers)))
}

/// An entry as the directory lists it.
struct Listed {
    name: String,
    flags: u16,
    method: u16,
    packed: u64,
    length: u64,
    /// Where the header before the entry begins.
    header: u64,
}

impl Listed {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, TorchFileError> {
        let wrong = |reason| TorchFileError::Directory { reason };
        if cursor.array::<4>()? != DIRECTORY_ENTRY {
            return Err(wrong("is damaged"));
        }
        let fields: [u8; 42] = cursor.array()?;
        let short = |at: usize| u16::from_le_bytes([fields[at], fields[at + 1]]);
        let [name, extra, comment] = [24, 26, 28].map(|at| usize::from(short(at)));
        let name =
            std::str::from_utf8(cursor.take(name)?).map_err(|_| wrong("has a name that is no text"))?;
        let extra = cursor.take(extra)?;
        cursor.take(comment)?;
        let mut numbers = [
            number(&fields[20..24]),
            number(&fields[16..20]),
            number(&fields[38..42]),
        ];
        fill_long_numbers(&mut numbers, extra).ok_or(wrong("has a number that is lacking"))?;
        let [length, packed, header] = numbers;
        if short(30) != 0 {
            return Err(wrong("is spread over several files"));
        }
        Ok(Self {
            name: name.to_owned(),
            flags: short(4),
            method: short(6),
            packed,
            length,
            header,
        })
    }

    /// Where the entry's bytes lie, which is before the directory.
    fn locate(&self, file: &PositionalFile, directory: u64) -> Result<Entry, WeightsError> {
        if self.flags & DISGUISED != 0 {
            return Err(self.problem(file, "is encrypted"));
        }
        if self.method != 0 || self.packed != self.length {
            return Err(self.problem(file, "is compressed, which `torch.save` does not do"));
        }
        let header = file.bytes(self.header, LOCAL_HEADER_LENGTH, "an entry of its zip archive")?;
        let [name, extra] = [26, 28].map(|at| number(&header[at..at + 2]));
        if header[..4] != LOCAL_HEADER || name != self.name.len() as u64 || header[8..10] != [0, 0] {
            return Err(self.problem(file, "is not where the directory says"));
        }
        // The header lies within the file, so nothing overflows.
        let name_begin = self.header + LOCAL_HEADER_LENGTH;
        let found = file.bytes(name_begin, name, "an entry of its zip archive")?;
        if found != self.name.as_bytes() {
            return Err(self.problem(file, "has another name than the directory says"));
        }
        let begin = name_begin + name + extra;
        match begin.checked_add(self.length).is_some_and(|end| end <= directory) {
            true => Ok(Entry {
                begin,
                length: self.length,
            }),
            false => Err(self.problem(file, "reaches beyond the file")),
        }
    }

    fn problem(&self, file: &PositionalFile, reason: &'static str) -> WeightsError {
        file.problem(TorchFileError::Entry {
            entry: self.name.clone(),
            reason,
        })
    }
}

/// Replaces numbers that do not fit 32 bits, in the order in which the extra field has them.
fn fill_long_numbers(numbers: &mut [u64; 3], extra: &[u8]) -> Option<()> {
    let mut long = Cursor::new(long_numbers(extra)?, 0, PLACE);
    for number in numbers {
        if *number == u64::from(u32::MAX) {
            *number = u64::from_le_bytes(long.array().ok()?);
        }
    }
    Some(())
}

/// The extra field of long numbers, empty where there is none; none if the fields do not fill the text.
fn long_numbers(mut extra: &[u8]) -> Option<&[u8]> {
    let mut found: &[u8] = &[];
    while !extra.is_empty() {
        let (head, rest) = extra.split_first_chunk::<4>()?;
        let length = usize::from(u16::from_le_bytes([head[2], head[3]]));
        let (field, rest) = rest.split_at_checked(length)?;
        if u16::from_le_bytes([head[0], head[1]]) == LONG_NUMBERS {
            found = field;
        }
        extra = rest;
    }
    Some(found)
}

/// A little-endian number of at most eight bytes.
fn number(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn directory(file: &PositionalFile, reason: &'static str) -> WeightsError {
    file.problem(TorchFileError::Directory { reason })
}
