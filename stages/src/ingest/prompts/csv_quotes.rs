//! Which quotes of a CSV text are open.
//!
//! The parser takes the end of a file for the end of a field whose quote is open, and says nothing about it. So its
//! bytes are followed here as it follows them: a quote opens a field where it is the first byte of it, two quotes in a
//! quoted field are one of its text, and any other one ends what is quoted.

/// What a UTF-8 text may begin with; it belongs to no field.
const BYTE_ORDER_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

/// Follows the bytes of a CSV text.
#[derive(Debug)]
pub(super) struct Quotes {
    delimiter: u8,
    state: State,
    /// Bytes of a mark at the beginning, as long as there are no others.
    mark: Option<usize>,
    /// The line of the next byte, from 1, as an editor counts it.
    line: u64,
    last: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// At the first byte of a field.
    Start,
    Unquoted,
    /// In a quoted field, with the line of its first quote.
    Quoted(u64),
    /// Behind a quote that ends the field or is the first of two.
    QuoteInQuoted(u64),
}

impl Quotes {
    pub(super) fn new(delimiter: u8) -> Self {
        Self {
            delimiter,
            state: State::Start,
            mark: Some(0),
            line: 1,
            last: 0,
        }
    }

    /// Goes on behind the next bytes of the text.
    pub(super) fn follow(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.step(byte);
        }
    }

    /// The line on which a quote opens that is not closed so far.
    pub(super) fn open(&self) -> Option<u64> {
        match self.state {
            State::Quoted(line) => Some(line),
            _ => None,
        }
    }

    fn step(&mut self, byte: u8) {
        if let Some(length) = self.mark {
            self.mark = (BYTE_ORDER_MARK.get(length) == Some(&byte)).then_some(length + 1);
            if self.mark.is_some() {
                return;
            }
            if (1..BYTE_ORDER_MARK.len()).contains(&length) {
                self.state = State::Unquoted;
            }
        }
        self.state = match (self.state, byte) {
            (State::Quoted(line), b'"') => State::QuoteInQuoted(line),
            (State::Quoted(line), _) | (State::QuoteInQuoted(line), b'"') => State::Quoted(line),
            (State::Start, b'"') => State::Quoted(self.line),
            (_, b'\r' | b'\n') => State::Start,
            (_, byte) if byte == self.delimiter => State::Start,
            _ => State::Unquoted,
        };
        self.line += u64::from(byte == b'\r' || (byte == b'\n' && self.last != b'\r'));
        self.last = byte;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn open(text: &[u8]) -> Option<u64> {
        let mut quotes = Quotes::new(b',');
        quotes.follow(text);
        quotes.open()
    }

    #[test]
    fn only_a_quote_that_begins_a_field_opens() {
        for text in [
            "",
            "a,b\n1,\"2\"\n",
            "a\n\"one \"\"two\"\" three\"",
            "a\n5\" nails, 6\" nails\n",
            "a\n\"b\"c\"\n",
            "\u{feff}\"a\"\n",
            "a\n\"\"\n",
            "a\n\"\"",
        ] {
            assert_eq!(open(text.as_bytes()), None, "{text:?}");
        }
        for (text, line) in [
            ("\"", 1),
            ("\u{feff}\"a\n", 1),
            ("a\n\"b\nc\nd\n", 2),
            ("a\r\n\r\n\"b\r\n", 3),
            ("a\r\rb,\"c", 3),
            ("a\n\"one \"\"two", 2),
            ("a\n\"one\ntwo\"\n\"three\n", 4),
            ("a\n\"\"\"\n", 2),
        ] {
            assert_eq!(open(text.as_bytes()), Some(line), "{text:?}");
        }
    }

    proptest! {
        /// A byte of the text that is added at the end is one of the field if the quote is open, and else never a
        /// delimiter that the parser keeps as text.
        #[test]
        fn the_parser_sees_the_same_quotes(text in "[a\",\r\n]{0,24}") {
            let marked = format!("{text},\u{1}");
            let mut parser = csv::ReaderBuilder::new();
            let parser = parser.has_headers(false).flexible(true);
            let mut records = parser.from_reader(marked.as_bytes()).into_byte_records();
            let swallowed = records.any(|record| {
                let record = record.expect("no I/O error in memory");
                record.iter().any(|field| field.ends_with(b",\x01"))
            });
            prop_assert_eq!(open(text.as_bytes()).is_some(), swallowed, "{:?}", text);
        }
    }
}
