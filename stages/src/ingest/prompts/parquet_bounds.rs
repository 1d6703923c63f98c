//! How much memory a Parquet file can take, found before any of its values are decoded.
//!
//! A few hundred bytes can declare a page of gigabytes, a text that a dictionary repeats a thousand times, or columns
//! nested a million deep. So the heads of the pages that will be read are looked at first.

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::path::Path;

use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};

use super::compact_thrift::{Compact, Kind};
use super::error::PromptsError;
use super::page_head::PageHead;
use super::parquet_problem::ParquetProblem;

/// Largest footer; those of wide tables with thousands of row groups take some megabytes.
const MOST_FOOTER_BYTES: u64 = 32 << 20;

/// Deepest columns.
const DEEPEST_COLUMN: usize = 32;

/// Most rows of a file; a row of nothing takes no bytes, so the size of a file bounds them not.
const MOST_ROWS: i64 = 100_000_000;

/// Size to which any page may unpack, whatever it was packed into.
const ANY_PAGE_BYTES: u64 = 64 << 20;

/// Times its packed size to which a larger page may unpack: what gzip can do at most.
const PACKED_TIMES: u64 = 1_032;

/// Bytes that the rows decoded at a time may take, besides the pages they stand in.
const BATCH_BYTES: u64 = 128 << 20;

/// Checks the footer: its size, and how deep the columns it declares are nested.
///
/// # Errors
/// [`PromptsError::Parquet`] if there is none, [`PromptsError::Damaged`] if it is out of all reason.
pub(super) fn check_footer(path: &Path, file: &mut File) -> Result<(), PromptsError> {
    let footer = footer(file).map_err(PromptsError::read(path))?;
    let problem = match footer {
        Footer::Absent(problem) => {
            return Err(PromptsError::Parquet {
                path: path.to_owned(),
                source: problem,
            });
        }
        Footer::TooLarge(size) => {
            format!("its footer has {size} bytes, at most {MOST_FOOTER_BYTES} are read")
        }
        Footer::Bytes(bytes) if deepest_column(&bytes).is_some_and(|depth| depth > DEEPEST_COLUMN) => {
            format!("its columns are nested deeper than {DEEPEST_COLUMN}")
        }
        Footer::Bytes(_) => return Ok(()),
    };
    Err(PromptsError::damaged(path, problem))
}

enum Footer {
    Absent(ParquetProblem),
    TooLarge(u64),
    Bytes(Vec<u8>),
}

fn footer(file: &mut File) -> io::Result<Footer> {
    let mut start = Vec::new();
    file.rewind()?;
    file.take(4).read_to_end(&mut start)?;
    let absent = match start.as_slice() {
        b"PAR1" => ParquetProblem::Cut,
        b"PARE" => ParquetProblem::Encrypted,
        _ => ParquetProblem::NotParquet,
    };
    let size = file.seek(SeekFrom::End(0))?;
    let mut end = [0; 8];
    if size < 12 {
        return Ok(Footer::Absent(absent));
    }
    file.seek(SeekFrom::End(-8))?;
    file.read_exact(&mut end)?;
    let [a, b, c, d, magic @ ..] = end;
    let length = u64::from(u32::from_le_bytes([a, b, c, d]));
    match &magic {
        b"PAR1" if length > size - 8 => return Ok(Footer::Absent(ParquetProblem::Damaged)),
        b"PAR1" => {}
        b"PARE" => return Ok(Footer::Absent(ParquetProblem::Encrypted)),
        _ => return Ok(Footer::Absent(absent)),
    }
    if length > MOST_FOOTER_BYTES {
        return Ok(Footer::TooLarge(length));
    }
    file.seek(SeekFrom::Start(size - 8 - length))?;
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes)?;
    Ok(Footer::Bytes(bytes))
}

/// How deep the columns of a footer are nested; nothing if it cannot be read.
fn deepest_column(footer: &[u8]) -> Option<usize> {
    let mut deepest = 0;
    Compact::new(footer).record(|input, number, kind| {
        if (number, kind) != (2, Kind::List) {
            return Some(false);
        }
        let (length, _) = input.list()?;
        // Columns stand in the order of a walk from the root; each says how many are below it.
        let mut open: Vec<i64> = Vec::new();
        for _ in 0..length {
            let mut below = 0;
            input.record(|input, number, kind| {
                if (number, kind) != (5, Kind::Whole) {
                    return Some(false);
                }
                below = input.whole()?;
                Some(true)
            })?;
            open.push(below);
            deepest = deepest.max(open.len());
            while open.last() == Some(&0) {
                open.pop();
                if let Some(left) = open.last_mut() {
                    *left = left.saturating_sub(1);
                }
            }
        }
        Some(true)
    })?;
    Some(deepest)
}

/// Rows that may be decoded at a time, at most `wanted`, so that no batch fills the memory: a value that a dictionary
/// repeats is no longer than the dictionary, and the others have their bytes in the file.
///
/// # Errors
/// [`PromptsError::Damaged`] if the file has too many rows, or a page that unpacks to far more than its bytes can hold.
pub(super) fn batch_rows(
    path: &Path,
    file: &mut File,
    metadata: &ParquetMetaData,
    columns: &[usize],
    wanted: usize,
) -> Result<usize, PromptsError> {
    let rows = metadata.row_groups().iter().map(|group| group.num_rows());
    let rows = rows.fold(0_i64, i64::saturating_add);
    if rows > MOST_ROWS {
        let problem = format!("it declares {rows} rows, at most {MOST_ROWS} are read");
        return Err(PromptsError::damaged(path, problem));
    }
    let mut longest = 1;
    for group in metadata.row_groups() {
        for (index, chunk) in group.columns().iter().enumerate() {
            let root = metadata.file_metadata().schema_descr().get_column_root_idx(index);
            if columns.contains(&root) {
                longest = longest.max(bytes_per_value(path, file, chunk)?);
            }
        }
    }
    let rows = usize::try_from(BATCH_BYTES / longest).unwrap_or(usize::MAX);
    Ok(rows.clamp(1, wanted))
}

/// Bytes that a value of a column takes in a batch, by its pages.
fn bytes_per_value(path: &Path, file: &mut File, chunk: &ColumnChunkMetaData) -> Result<u64, PromptsError> {
    let damaged = |problem: String| PromptsError::damaged(path, problem);
    let declared = chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset());
    let (Ok(start), Ok(length)) = (u64::try_from(declared), u64::try_from(chunk.compressed_size())) else {
        let size = chunk.compressed_size();
        return Err(damaged(format!(
            "a column begins at {declared} and has {size} bytes"
        )));
    };
    let end = start.saturating_add(length);
    let (mut at, mut longest) = (start, 1);
    while at < end {
        let head = PageHead::read(file, at, end).map_err(PromptsError::read(path))?;
        // The reader itself says what is wrong with a head that makes no sense.
        let Some(head) = head else { break };
        let (packed, unpacked) = (head.packed, head.unpacked);
        let most = packed.saturating_mul(PACKED_TIMES).max(ANY_PAGE_BYTES);
        if unpacked > most {
            let problem =
                format!("a page of {packed} bytes claims to unpack to {unpacked}, more than {most}");
            return Err(damaged(problem));
        }
        let values = at.saturating_add(head.length);
        if head
            .unpacks_to_more(file, values, chunk.compression())
            .map_err(PromptsError::read(path))?
        {
            return Err(damaged(format!(
                "a page unpacks to more than the {unpacked} bytes it declares"
            )));
        }
        at = values.saturating_add(packed);
        longest = longest.max(head.bytes_per_value());
    }
    Ok(longest)
}
