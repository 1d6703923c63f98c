//! ZIP archives: entries that are stored, or packed by DEFLATE.
//!
//! Archives are read from the directory at their end, entry by entry and never whole. Encrypted ones and those beyond 4
//! GiB or 65,534 entries (Zip64) are refused; no part of DiffusionDB is one.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek as _, SeekFrom};

use flate2::Crc;
use flate2::bufread::DeflateDecoder;

/// Most bytes of the directory of an archive: a thousand for each entry that it can have.
const MOST_DIRECTORY_BYTES: u32 = 64 << 20;

/// Bytes of the record at the end of an archive, without its comment.
const END_BYTES: u64 = 22;

/// Where an entry begins, and how it is packed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ZipEntry {
    offset: u32,
    packed: u32,
    length: u32,
    method: u16,
    checksum: u32,
}

/// What is wrong with an archive or an entry of it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ZipProblem {
    #[error("it is no ZIP archive, or cut short")]
    NotZip,
    #[error("its directory is damaged")]
    Directory,
    #[error("it is too large for plain ZIP (Zip64); unpack it")]
    Wide,
    #[error("`{name}` in it is encrypted; unpack it")]
    Encrypted { name: String },
    #[error("its entry is packed in a way that is not read (method {method}); unpack it")]
    Method { method: u16 },
    #[error("its entry is damaged")]
    Entry,
    #[error("its entry has {length} bytes, more than {limit}")]
    TooLarge { length: u32, limit: u64 },
    #[error("it cannot be read: {0}")]
    Read(#[from] io::Error),
}

/// Lists the entries of an archive that are no folders, in the order of its directory.
///
/// # Errors
/// [`ZipProblem`] if it is no archive or one that is not read.
pub(crate) fn entries(file: &mut File) -> Result<Vec<(String, ZipEntry)>, ZipProblem> {
    let (count, directory) = directory(file)?;
    let mut entries = Vec::new();
    let mut rest = directory.as_slice();
    for _ in 0..count {
        let (head, names) = rest.split_at_checked(46).ok_or(ZipProblem::Directory)?;
        if !head.starts_with(b"PK\x01\x02") {
            return Err(ZipProblem::Directory);
        }
        let lengths = [28, 30, 32].map(|at| usize::from(short(head, at)));
        let name = names.get(..lengths[0]).ok_or(ZipProblem::Directory)?;
        let name = String::from_utf8_lossy(name).into_owned();
        rest = names
            .get(lengths.iter().sum::<usize>()..)
            .ok_or(ZipProblem::Directory)?;
        if short(head, 8) & 1 != 0 {
            return Err(ZipProblem::Encrypted { name });
        }
        let entry = ZipEntry {
            method: short(head, 10),
            checksum: long(head, 16),
            packed: long(head, 20),
            length: long(head, 24),
            offset: long(head, 42),
        };
        if [entry.packed, entry.length, entry.offset].contains(&u32::MAX) {
            return Err(ZipProblem::Wide);
        }
        if !name.ends_with('/') {
            entries.push((name, entry));
        }
    }
    Ok(entries)
}

/// Unpacks an entry of at most `limit` bytes.
///
/// # Errors
/// [`ZipProblem`] if it is damaged or larger.
pub(crate) fn read_entry(file: &mut File, entry: &ZipEntry, limit: u64) -> Result<Vec<u8>, ZipProblem> {
    if u64::from(entry.length) > limit {
        return Err(ZipProblem::TooLarge {
            length: entry.length,
            limit,
        });
    }
    let offset = u64::from(entry.offset);
    file.seek(SeekFrom::Start(offset))?;
    let mut head = [0; 30];
    file.read_exact(&mut head).map_err(cut)?;
    if !head.starts_with(b"PK\x03\x04") {
        return Err(ZipProblem::Entry);
    }
    let names = u64::from(short(&head, 26)) + u64::from(short(&head, 28));
    file.seek(SeekFrom::Start(offset + 30 + names))?;
    let packed = BufReader::new(file.take(u64::from(entry.packed)));
    let bytes = match entry.method {
        0 => unpack(packed, entry.length)?,
        8 => unpack(DeflateDecoder::new(packed), entry.length)?,
        method => return Err(ZipProblem::Method { method }),
    };
    let mut checksum = Crc::new();
    checksum.update(&bytes);
    match bytes.len() == entry.length as usize && checksum.sum() == entry.checksum {
        true => Ok(bytes),
        false => Err(ZipProblem::Entry),
    }
}

/// Reads one byte more than there should be at most, so that a few bytes cannot unpack to any number.
fn unpack(reader: impl Read, length: u32) -> Result<Vec<u8>, ZipProblem> {
    let mut bytes = Vec::new();
    let limit = u64::from(length) + 1;
    reader
        .take(limit)
        .read_to_end(&mut bytes)
        .map_err(|error| match error.kind() {
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
                ZipProblem::Entry
            }
            _ => ZipProblem::Read(error),
        })?;
    Ok(bytes)
}

fn cut(error: io::Error) -> ZipProblem {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => ZipProblem::Entry,
        _ => ZipProblem::Read(error),
    }
}

/// How many entries there are, and the bytes that list them.
fn directory(file: &mut File) -> Result<(u16, Vec<u8>), ZipProblem> {
    let size = file.seek(SeekFrom::End(0))?;
    // A comment of up to 65,535 bytes may follow.
    let tail = size.min(END_BYTES + u64::from(u16::MAX));
    file.seek(SeekFrom::Start(size - tail))?;
    let mut bytes = Vec::new();
    (&mut *file).take(tail).read_to_end(&mut bytes)?;
    let at = bytes.windows(4).rposition(|window| window == b"PK\x05\x06");
    let end = at.and_then(|at| bytes.get(at..)).ok_or(ZipProblem::NotZip)?;
    if (end.len() as u64) < END_BYTES {
        return Err(ZipProblem::NotZip);
    }
    let (count, length, offset) = (short(end, 10), long(end, 12), long(end, 16));
    if count == u16::MAX || length == u32::MAX || offset == u32::MAX {
        return Err(ZipProblem::Wide);
    }
    if length > MOST_DIRECTORY_BYTES || u64::from(offset) + u64::from(length) > size {
        return Err(ZipProblem::Directory);
    }
    file.seek(SeekFrom::Start(offset.into()))?;
    let mut directory = Vec::new();
    (&mut *file).take(length.into()).read_to_end(&mut directory)?;
    Ok((count, directory))
}

/// Two bytes as a number; zero behind the end, which no caller asks for.
fn short(bytes: &[u8], at: usize) -> u16 {
    bytes
        .get(at..)
        .and_then(|bytes| bytes.first_chunk::<2>())
        .map_or(0, |bytes| u16::from_le_bytes(*bytes))
}

/// Four bytes as a number; zero behind the end, which no caller asks for.
fn long(bytes: &[u8], at: usize) -> u32 {
    bytes
        .get(at..)
        .and_then(|bytes| bytes.first_chunk::<4>())
        .map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Write as _;
    use std::path::Path;

    use flate2::Compression;
    use flate2::write::DeflateEncoder;

    use super::*;

    /// Writes an archive whose entries are packed where it is asked for.
    pub(in crate::ingest::images) fn archive(entries: &[(&str, &[u8])], packs: bool) -> Vec<u8> {
        let (mut bytes, mut directory) = (Vec::new(), Vec::new());
        for (name, content) in entries {
            let mut checksum = Crc::new();
            checksum.update(content);
            let packed = match packs {
                true => {
                    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
                    encoder.write_all(content).unwrap();
                    encoder.finish().unwrap()
                }
                false => content.to_vec(),
            };
            let mut common = vec![20, 0, 0, 0, if packs { 8 } else { 0 }, 0, 0, 0, 0, 0];
            common.extend(checksum.sum().to_le_bytes());
            common.extend((packed.len() as u32).to_le_bytes());
            common.extend((content.len() as u32).to_le_bytes());
            common.extend((name.len() as u16).to_le_bytes());
            common.extend([0, 0]);
            directory.extend(b"PK\x01\x02\x14\0");
            directory.extend(&common);
            directory.extend([0; 10]);
            directory.extend((bytes.len() as u32).to_le_bytes());
            directory.extend(name.as_bytes());
            bytes.extend(b"PK\x03\x04");
            bytes.extend(&common);
            bytes.extend(name.as_bytes());
            bytes.extend(packed);
        }
        let (offset, length) = (bytes.len() as u32, directory.len() as u32);
        bytes.extend(directory);
        bytes.extend(b"PK\x05\x06\0\0\0\0");
        bytes.extend([(entries.len() as u16).to_le_bytes(); 2].concat());
        bytes.extend(length.to_le_bytes());
        bytes.extend(offset.to_le_bytes());
        bytes.extend(b"\x04\0note");
        bytes
    }

    fn opened(folder: &Path, bytes: &[u8]) -> File {
        let path = folder.join("a.zip");
        std::fs::write(&path, bytes).unwrap();
        File::open(path).unwrap()
    }

    #[test]
    fn stored_and_packed_entries_are_read_and_damage_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let content = b"the same words, the same words, the same words".as_slice();
        for packs in [false, true] {
            let bytes = archive(&[("folder/", b""), ("folder/a.txt", content), ("b", b"")], packs);
            let mut file = opened(folder.path(), &bytes);
            let entries = entries(&mut file).unwrap();
            let names: Vec<&str> = entries.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names, ["folder/a.txt", "b"]);
            assert_eq!(read_entry(&mut file, &entries[0].1, 100).unwrap(), content);
            assert!(read_entry(&mut file, &entries[1].1, 100).unwrap().is_empty());
            let problem = read_entry(&mut file, &entries[0].1, 10).unwrap_err().to_string();
            assert_eq!(problem, "its entry has 46 bytes, more than 10");
            let mut damaged = ZipEntry {
                checksum: 1,
                ..entries[0].1.clone()
            };
            assert!(matches!(
                read_entry(&mut file, &damaged, 100),
                Err(ZipProblem::Entry)
            ));
            damaged.offset = 3;
            assert!(matches!(
                read_entry(&mut file, &damaged, 100),
                Err(ZipProblem::Entry)
            ));
        }
    }

    #[test]
    fn what_is_no_archive_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let whole = archive(&[("a", b"b")], false);
        for bytes in [&b""[..], b"no archive", &whole[..whole.len() - 20]] {
            let mut file = opened(folder.path(), bytes);
            assert!(matches!(entries(&mut file), Err(ZipProblem::NotZip)));
        }
        let mut wide = whole.clone();
        let end = wide.len() - 26;
        wide[end + 16..end + 20].fill(0xff);
        let mut file = opened(folder.path(), &wide);
        assert!(matches!(entries(&mut file), Err(ZipProblem::Wide)));
    }
}
