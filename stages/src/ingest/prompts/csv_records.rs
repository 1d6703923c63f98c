//! Records of CSV files, each of a bounded length.

use std::cell::Cell;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::rc::Rc;

use super::csv_problem::CsvProblem;
use super::csv_quotes::Quotes;
use super::error::PromptsError;
use super::text_file::open_text;

/// Opens a CSV file whose first record is a header; every record must have as many fields.
pub(crate) fn open_records(path: &Path, delimiter: char) -> Result<Records, PromptsError> {
    let delimiter = u8::try_from(delimiter).unwrap_or(b',');
    let since_record = Rc::new(Cell::new(0));
    let bytes = RecordBytes {
        bytes: open_text(path)?,
        since_record: Rc::clone(&since_record),
        quotes: Quotes::new(delimiter),
    };
    Ok(Records {
        reader: csv::ReaderBuilder::new().delimiter(delimiter).from_reader(bytes),
        since_record,
    })
}

/// Most bytes of a record: a quote that is never closed makes one of all that follows.
const MOST_RECORD_BYTES: u64 = 64 << 20;

/// The records of a CSV file, each of a bounded length.
pub(crate) struct Records {
    reader: csv::Reader<RecordBytes>,
    since_record: Rc<Cell<u64>>,
}

impl Records {
    pub(crate) fn byte_headers(&mut self) -> csv::Result<&csv::ByteRecord> {
        self.reader.byte_headers()
    }

    pub(crate) fn read_byte_record(&mut self, record: &mut csv::ByteRecord) -> csv::Result<bool> {
        self.since_record.set(0);
        self.reader.read_byte_record(record)
    }
}

/// The bytes of a file, counted since the last record.
struct RecordBytes {
    bytes: BufReader<Box<dyn Read>>,
    since_record: Rc<Cell<u64>>,
    quotes: Quotes,
}

impl Read for RecordBytes {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.bytes.read(buffer)?;
        self.quotes.follow(&buffer[..read]);
        let quote = self.quotes.open();
        // The parser would take all that follows the quote for one field, and the file for read.
        if let (0, false, Some(line)) = (read, buffer.is_empty(), quote) {
            return Err(CsvProblem::QuoteNotClosed { line }.into());
        }
        let count = self.since_record.get().saturating_add(read as u64);
        self.since_record.set(count);
        if count > MOST_RECORD_BYTES {
            let limit = MOST_RECORD_BYTES;
            return Err(CsvProblem::TooLong { limit, quote }.into());
        }
        Ok(read)
    }
}
