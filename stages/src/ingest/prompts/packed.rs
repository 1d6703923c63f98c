//! The bytes of files that gzip or zstd packed.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;

use super::text_problem::TextProblem;

/// Unpacks what gzip packed: members one after the other, and zeros behind them.
///
/// Tapes and some programs fill up their last block with zeros, which `zcat` and Python pass over, too.
#[derive(Debug)]
pub(super) struct Gzip<R> {
    /// The member that is read; nothing at the end.
    member: Option<GzDecoder<R>>,
}

impl<R: BufRead> Gzip<R> {
    pub(super) fn new(bytes: R) -> Self {
        Self {
            member: Some(GzDecoder::new(bytes)),
        }
    }
}

impl<R: BufRead> Read for Gzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let read = member.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            let more = skip_zeros(member.get_mut())?;
            let ended = self.member.take().filter(|_| more);
            self.member = ended.map(|ended| GzDecoder::new(ended.into_inner()));
        }
        Ok(0)
    }
}

/// Passes over zeros; false at the end of the bytes.
fn skip_zeros(bytes: &mut impl BufRead) -> io::Result<bool> {
    loop {
        let available = bytes.fill_buf()?;
        let length = available.len();
        let zeros = available.iter().take_while(|byte| **byte == 0).count();
        bytes.consume(zeros);
        if length == 0 || zeros < length {
            return Ok(length > 0);
        }
    }
}

/// Says in words of its own where unpacking fails.
#[derive(Debug)]
pub(super) struct Unpacked<R> {
    bytes: R,
    program: &'static str,
}

impl<R: Read> Unpacked<R> {
    pub(super) fn new(program: &'static str, bytes: R) -> Self {
        Self { bytes, program }
    }
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.bytes
            .read(buffer)
            .map_err(|error| in_words(self.program, error))
    }
}

fn in_words(program: &'static str, error: io::Error) -> io::Error {
    // What the operating system says about the file has nothing to do with unpacking.
    if error.raw_os_error().is_some() || error.kind() == io::ErrorKind::Interrupted {
        return error;
    }
    let problem = match error.kind() {
        io::ErrorKind::UnexpectedEof => TextProblem::Cut(program),
        _ if error.to_string().contains("too much memory") => TextProblem::Wide(program),
        _ => TextProblem::Damaged(program),
    };
    problem.into()
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Write as _};

    use super::*;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).expect("no I/O error in memory");
        encoder.finish().expect("no I/O error in memory")
    }

    fn unpacked(bytes: &[u8], capacity: usize) -> Result<Vec<u8>, String> {
        let mut found = Vec::new();
        let gzip = Gzip::new(BufReader::with_capacity(capacity, bytes));
        let read = Unpacked::new("gzip", gzip).read_to_end(&mut found);
        read.map(|_| found).map_err(|error| error.to_string())
    }

    #[test]
    fn members_and_the_zeros_behind_them_are_read_to_the_end() {
        let zeros = [0_u8; 512];
        for capacity in [1, 7, 8192] {
            let one = [&packed(b"a\n")[..], &zeros].concat();
            assert_eq!(unpacked(&one, capacity).as_deref(), Ok(&b"a\n"[..]));
            let more = [&packed(b"a\n")[..], &packed(b""), &zeros, &packed(b"b\n"), &zeros].concat();
            assert_eq!(unpacked(&more, capacity).as_deref(), Ok(&b"a\nb\n"[..]));
        }
    }

    #[test]
    fn what_cannot_be_unpacked_is_told_in_words() {
        let whole = packed(b"a red car\n");
        let cut = Err("its gzip data ends too early; the file is cut short".to_owned());
        for length in [12, whole.len() - 9, whole.len() - 1] {
            assert_eq!(unpacked(&whole[..length], 64), cut, "{length}");
        }
        let damaged = Err("its gzip data is damaged".to_owned());
        let after = [&whole[..], b"and more of something else"].concat();
        assert_eq!(unpacked(&after, 64), damaged);
        let mut sum = whole.clone();
        let place = sum.len() - 8;
        sum[place] ^= 1;
        assert_eq!(unpacked(&sum, 64), damaged);
    }
}
