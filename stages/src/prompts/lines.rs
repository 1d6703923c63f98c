//! The lines of a file, in bounded memory.

use std::io::{self, BufRead};

/// One line without its line ending.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// Its number, from 1.
    pub number: u64,
    /// Its bytes, at most the limit of the reader.
    pub bytes: &'a [u8],
    /// Whether bytes beyond the limit were dropped.
    pub cut: bool,
}

/// Reads lines that end in LF or CRLF; the last one may lack its ending.
///
/// A byte order mark at the start is no part of the first line. Of a line longer than the limit only the start is
/// kept, so that a file without line endings costs no more memory than any other.
#[derive(Debug)]
pub(super) struct LineReader<R> {
    reader: R,
    limit: usize,
    number: u64,
    buffer: Vec<u8>,
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl<R: BufRead> LineReader<R> {
    pub(super) fn new(reader: R, limit: usize) -> Self {
        Self {
            reader,
            limit,
            number: 0,
            buffer: Vec::new(),
        }
    }

    pub(super) fn next_line(&mut self) -> io::Result<Option<Line<'_>>> {
        self.buffer.clear();
        // Room for the mark and for the CR of the line ending, which do not count as content.
        let room = self.limit.saturating_add(BYTE_ORDER_MARK.len() + 1);
        let mut read_any = false;
        let mut cut = false;
        let mut ended = false;
        while !ended {
            let available = match self.reader.fill_buf() {
                Ok(available) => available,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if available.is_empty() {
                break;
            }
            read_any = true;
            let end = available.iter().position(|byte| *byte == b'\n');
            let piece = &available[..end.unwrap_or(available.len())];
            let kept = piece.len().min(room - self.buffer.len());
            self.buffer.extend_from_slice(&piece[..kept]);
            cut |= kept < piece.len();
            ended = end.is_some();
            let consumed = piece.len() + usize::from(ended);
            self.reader.consume(consumed);
        }
        if !read_any {
            return Ok(None);
        }
        self.number += 1;
        let mut bytes = self.buffer.as_slice();
        if self.number == 1 {
            bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
        }
        if ended && !cut {
            bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        }
        if bytes.len() > self.limit {
            bytes = &bytes[..self.limit];
            cut = true;
        }
        Ok(Some(Line {
            number: self.number,
            bytes,
            cut,
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use proptest::prelude::*;

    use super::*;

    fn lines(bytes: &[u8], limit: usize, capacity: usize) -> Vec<(u64, Vec<u8>, bool)> {
        let mut reader = LineReader::new(BufReader::with_capacity(capacity, bytes), limit);
        let mut lines = Vec::new();
        while let Some(line) = reader.next_line().expect("no I/O error in memory") {
            lines.push((line.number, line.bytes.to_vec(), line.cut));
        }
        lines
    }

    #[test]
    fn endings_and_the_mark_are_no_content() {
        let expected = vec![
            (1, b"a".to_vec(), false),
            (2, b"".to_vec(), false),
            (3, b"b\rc".to_vec(), false),
        ];
        for text in ["a\r\n\r\nb\rc", "a\n\nb\rc\n", "\u{feff}a\r\n\nb\rc\r\n"] {
            for capacity in [1, 2, 3, 64] {
                assert_eq!(lines(text.as_bytes(), 10, capacity), expected, "{text:?}");
            }
        }
        assert_eq!(lines(b"", 10, 8), []);
    }

    #[test]
    fn a_long_line_is_cut_and_the_next_one_is_whole() {
        assert_eq!(
            lines(b"abcdefghij\r\nklm\r\nabcd\r\nabcde", 4, 3),
            [
                (1, b"abcd".to_vec(), true),
                (2, b"klm".to_vec(), false),
                (3, b"abcd".to_vec(), false),
                (4, b"abcd".to_vec(), true)
            ]
        );
    }

    proptest! {
        #[test]
        fn they_are_the_lines_of_the_standard_library(text in "[a-c \r\n\u{e9}]{0,80}", capacity in 1_usize..16) {
            let expected: Vec<Vec<u8>> = text.lines().map(|line| line.as_bytes().to_vec()).collect();
            let found: Vec<Vec<u8>> = lines(text.as_bytes(), 1000, capacity).into_iter().map(|line| line.1).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
