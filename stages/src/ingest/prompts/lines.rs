//! The lines of a file, in bounded memory.

use std::io::{self, BufRead};

use super::text_problem::TextProblem;

/// One line without its line ending.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    /// Its number, from 1.
    pub number: u64,
    /// Its bytes, at most the limit of the reader.
    pub bytes: &'a [u8],
    /// Whether bytes beyond the limit were dropped.
    pub cut: bool,
}

/// What ends a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineEnds {
    /// LF or CRLF; a lone CR is white space, as it is in JSON.
    Lf,
    /// LF, CRLF, or the lone CR of old Macs.
    LfOrCr,
}

/// Reads lines; the last one may lack its ending.
///
/// A byte order mark at the start is no part of the first line. Of a line longer than the limit only the start is
/// kept, so that a file without line endings costs no more memory than any other; and the rest is only read once the
/// next line is wanted, so that whoever refuses the line does not wait for its end.
#[derive(Debug)]
pub(crate) struct LineReader<R> {
    reader: R,
    ends: LineEnds,
    limit: usize,
    number: u64,
    buffer: Vec<u8>,
    /// What the last line left in the reader.
    left: Left,
}

/// What is still to be passed over before the next line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    Nothing,
    /// The LF of a CRLF, if it is one.
    LineFeed,
    /// The rest of a line that was too long.
    Rest,
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Most bytes of a line that are passed over: what goes on longer has no lines.
const MOST_PASSED_OVER: usize = 64 << 20;

impl<R: BufRead> LineReader<R> {
    pub(crate) fn new(reader: R, ends: LineEnds, limit: usize) -> Self {
        Self {
            reader,
            ends,
            limit,
            number: 0,
            buffer: Vec::new(),
            left: Left::Nothing,
        }
    }

    /// The next line, if there is one.
    ///
    /// # Errors
    /// What the reader says, or [`TextProblem::LineTooLong`] if the line before this one does not end.
    pub(crate) fn next_line(&mut self) -> io::Result<Option<Line<'_>>> {
        self.pass_over()?;
        self.buffer.clear();
        // Room for the mark and for the CR of the line ending, which do not count as content.
        let room = self.limit.saturating_add(BYTE_ORDER_MARK.len() + 1);
        let mut read_any = false;
        let mut cut = false;
        let mut end = None;
        while end.is_none() && !cut {
            let available = filled(&mut self.reader)?;
            if available.is_empty() {
                break;
            }
            read_any = true;
            end = self.ends.first_in(available);
            let piece = &available[..end.unwrap_or(available.len())];
            let kept = piece.len().min(room - self.buffer.len());
            self.buffer.extend_from_slice(&piece[..kept]);
            cut = kept < piece.len();
            self.left = match end {
                _ if cut => Left::Rest,
                Some(place) if available[place] == b'\r' => Left::LineFeed,
                _ => Left::Nothing,
            };
            let consumed = kept + usize::from(end.is_some() && !cut);
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
        if end.is_some() && !cut {
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

    /// Passes over what the last line left.
    fn pass_over(&mut self) -> io::Result<()> {
        let mut passed = 0_usize;
        while self.left != Left::Nothing {
            let available = filled(&mut self.reader)?;
            let Some(first) = available.first() else {
                self.left = Left::Nothing;
                continue;
            };
            let (consumed, left) = match (self.left, self.ends.first_in(available)) {
                (Left::Rest, Some(place)) if available[place] == b'\r' => (place + 1, Left::LineFeed),
                (Left::Rest, Some(place)) => (place + 1, Left::Nothing),
                (Left::Rest, None) => (available.len(), Left::Rest),
                (Left::LineFeed | Left::Nothing, _) => (usize::from(*first == b'\n'), Left::Nothing),
            };
            self.reader.consume(consumed);
            self.left = left;
            passed = passed.saturating_add(consumed);
            if passed > MOST_PASSED_OVER {
                let (line, limit) = (self.number, MOST_PASSED_OVER);
                return Err(TextProblem::LineTooLong { line, limit }.into());
            }
        }
        Ok(())
    }
}

impl LineEnds {
    /// The place of the first byte that ends a line.
    fn first_in(self, bytes: &[u8]) -> Option<usize> {
        match self {
            Self::Lf => bytes.iter().position(|byte| *byte == b'\n'),
            Self::LfOrCr => bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')),
        }
    }
}

/// The bytes that a reader has at hand, none at its end.
fn filled(reader: &mut impl BufRead) -> io::Result<&[u8]> {
    while let Err(error) = reader.fill_buf() {
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    reader.fill_buf()
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Read as _};

    use proptest::prelude::*;

    use super::*;

    fn lines(bytes: &[u8], limit: usize, capacity: usize) -> Vec<(u64, Vec<u8>, bool)> {
        lines_ending(LineEnds::Lf, bytes, limit, capacity)
    }

    fn lines_ending(
        ends: LineEnds,
        bytes: &[u8],
        limit: usize,
        capacity: usize,
    ) -> Vec<(u64, Vec<u8>, bool)> {
        let mut reader = LineReader::new(BufReader::with_capacity(capacity, bytes), ends, limit);
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

    #[test]
    fn a_lone_cr_ends_a_line_of_text() {
        for text in [
            "a\r\rb\rc d",
            "a\r\rb\rc d\r",
            "a\r\n\r\nb\nc d\r\n",
            "\u{feff}a\n\rb\rc d",
        ] {
            for capacity in [1, 2, 3, 64] {
                let found = lines_ending(LineEnds::LfOrCr, text.as_bytes(), 10, capacity);
                let expected = [(1, "a"), (2, ""), (3, "b"), (4, "c d")];
                let expected = expected.map(|(number, line)| (number, line.as_bytes().to_vec(), false));
                assert_eq!(found, expected, "{text:?}");
            }
        }
        assert_eq!(
            lines_ending(LineEnds::LfOrCr, b"abcdefghij\r\nk\rabcdefghij\rk", 4, 3),
            [
                (1, b"abcd".to_vec(), true),
                (2, b"k".to_vec(), false),
                (3, b"abcd".to_vec(), true),
                (4, b"k".to_vec(), false)
            ]
        );
    }

    #[test]
    fn a_line_without_end_is_read_no_further_than_it_must() {
        // As many bytes as may be read before the test fails.
        let endless = |bytes| BufReader::new(io::repeat(b'x').take(bytes).chain(Failing));
        let mut reader = LineReader::new(endless(1 << 20), LineEnds::LfOrCr, 100);
        let line = reader.next_line().expect("a line").expect("a line");
        assert!(line.cut && line.bytes.len() == 100);
        let mut reader = LineReader::new(endless(65 << 20), LineEnds::LfOrCr, 100);
        assert!(reader.next_line().expect("a line").is_some());
        let error = reader.next_line().expect_err("too long a line");
        assert_eq!(error.to_string(), "line 1 is longer than 67108864 bytes");
    }

    struct Failing;

    impl io::Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("read too far"))
        }
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
