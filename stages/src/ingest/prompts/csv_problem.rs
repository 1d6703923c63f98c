//! Why a CSV file cannot be read.

use std::io::{self, Read as _};
use std::path::Path;

use super::text_file::open_text;

/// What is wrong with the records of a CSV file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CsvProblem {
    /// A record has more or fewer fields than the header.
    #[error("{} has {}, but the header has {header}", place(*line), count(*found))]
    Fields {
        /// The line on which the record begins, from 1, if it was found again.
        line: Option<u64>,
        /// Fields of the record.
        found: u64,
        /// Fields of the header.
        header: u64,
    },
    /// A record is longer than one may be.
    #[error("a record has more than {limit} bytes; is a quote never closed?{}", opened(*quote))]
    TooLong {
        /// The greatest length, in bytes.
        limit: u64,
        /// The line of a quote that is open where reading stopped, from 1.
        quote: Option<u64>,
    },
    /// The file ends before a quote is closed.
    #[error("the quote that opens on line {line} is never closed")]
    QuoteNotClosed {
        /// The line of the quote, from 1.
        line: u64,
    },
    /// Anything else.
    #[error("its records cannot be told apart")]
    Other,
}

impl CsvProblem {
    /// What is wrong with the file at `path`, in words.
    ///
    /// # Errors
    /// The error of the file itself, if its bytes cannot be read.
    pub(super) fn of(path: &Path, error: csv::Error) -> Result<Self, io::Error> {
        match error.into_kind() {
            csv::ErrorKind::Io(error) => error.downcast::<Self>(),
            csv::ErrorKind::UnequalLengths {
                pos,
                expected_len,
                len,
            } => Ok(Self::Fields {
                line: pos.and_then(|position| line_at(path, position.byte())),
                found: len,
                header: expected_len,
            }),
            _ => Ok(Self::Other),
        }
    }
}

/// What is found where bytes are read travels inside of an error of reading.
impl From<CsvProblem> for io::Error {
    fn from(problem: CsvProblem) -> Self {
        Self::new(io::ErrorKind::InvalidData, problem)
    }
}

fn place(line: Option<u64>) -> String {
    line.map_or_else(|| "a record".to_owned(), |line| format!("line {line}"))
}

fn opened(quote: Option<u64>) -> String {
    quote.map_or_else(String::new, |line| format!(" One opens on line {line}"))
}

fn count(fields: u64) -> String {
    match fields {
        1 => "1 field".to_owned(),
        fields => format!("{fields} fields"),
    }
}

/// The line of the first record that begins at a byte of the text or behind it.
///
/// The file is read once more, because the parser counts neither a lone CR nor the LF that it has not come to yet.
fn line_at(path: &Path, place: u64) -> Option<u64> {
    let (mut line, mut last) = (1, 0);
    for (at, byte) in (0_u64..).zip(open_text(path).ok()?.bytes()) {
        let byte = byte.ok()?;
        if at >= place && !matches!(byte, b'\r' | b'\n') {
            return Some(line);
        }
        line += u64::from(byte == b'\r' || (byte == b'\n' && last != b'\r'));
        last = byte;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::csv_records::open_records;
    use super::super::fixture::Files;
    use super::*;

    #[test]
    fn the_line_is_that_of_an_editor() {
        for content in [
            "id,prompt\n1,a\n\n2,a,car\n",
            "id,prompt\r\n1,a\r\n\r\n2,a,car\r\n",
            "id,prompt\r1,a\r\r2,a,car\r",
            "\u{feff}id,prompt\n\"1\",\"a\nb\"\n2,a,car\n",
        ] {
            let files = Files::new();
            let path = files.path().join(&files.write("a.csv", content)[0]);
            let mut records = open_records(&path, ',').expect("a file");
            let mut record = csv::ByteRecord::new();
            let error = loop {
                match records.read_byte_record(&mut record) {
                    Ok(more) => assert!(more, "an error was expected"),
                    Err(error) => break error,
                }
            };
            let problem = CsvProblem::of(&path, error).expect("a problem of the records");
            assert_eq!(
                problem.to_string(),
                "line 4 has 3 fields, but the header has 2",
                "{content:?}"
            );
        }
    }
}
