//! The mark with which DOS ends a text.

use std::io::{self, BufRead, Read};

/// Control-Z, of which some editors still leave one or a whole sector at the end of a file.
const END_MARK: u8 = 0x1a;

/// A text without the marks at its end; those inside are passed on.
#[derive(Debug)]
pub(super) struct WithoutEndMark<R> {
    bytes: R,
    /// Marks that were read and are only passed on if something follows them.
    held: u64,
}

impl<R: BufRead> WithoutEndMark<R> {
    pub(super) fn new(bytes: R) -> Self {
        Self { bytes, held: 0 }
    }
}

impl<R: BufRead> Read for WithoutEndMark<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let available = self.bytes.fill_buf()?;
            let length = available.len();
            let Some(last) = available.iter().rposition(|byte| *byte != END_MARK) else {
                if length == 0 {
                    return Ok(0);
                }
                self.held = self.held.saturating_add(length as u64);
                self.bytes.consume(length);
                continue;
            };
            if self.held > 0 {
                let count = buffer.len().min(usize::try_from(self.held).unwrap_or(usize::MAX));
                buffer[..count].fill(END_MARK);
                self.held -= count as u64;
                return Ok(count);
            }
            let count = buffer.len().min(last + 1);
            buffer[..count].copy_from_slice(&available[..count]);
            self.bytes.consume(count);
            return Ok(count);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    #[test]
    fn marks_at_the_end_are_left_out_and_others_stay() {
        let cases: [(&[u8], &[u8]); 5] = [
            (b"", b""),
            (b"\x1a", b""),
            (b"a\n\x1a", b"a\n"),
            (b"a\x1ab\x1a\x1ac\n\x1a\x1a\x1a", b"a\x1ab\x1a\x1ac\n"),
            (b"\x1a\x1aa", b"\x1a\x1aa"),
        ];
        for (text, expected) in cases {
            for capacity in 1..9 {
                let mut found = Vec::new();
                WithoutEndMark::new(BufReader::with_capacity(capacity, text))
                    .read_to_end(&mut found)
                    .expect("no I/O error in memory");
                assert_eq!(found, expected, "{capacity}");
            }
        }
    }
}
