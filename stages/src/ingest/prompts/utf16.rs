//! Text in UTF-16, read as UTF-8.

use std::io::{self, BufRead, Read};

/// Which byte of a unit comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ByteOrder {
    Big,
    Little,
}

/// Half of a pair as UTF-8 would write it if it could, in place of half a unit.
const HALF: [u8; 3] = [0xed, 0xb0, 0x80];

/// Turns UTF-16 into UTF-8 while it is read.
///
/// Half of a surrogate pair becomes bytes that are no UTF-8, so that the row it stands in is refused or left out like
/// any other damaged one; so does a last byte without its other half.
#[derive(Debug)]
pub(super) struct Utf16Reader<R> {
    units: R,
    order: ByteOrder,
    /// The first half of a pair, whose second half has not been read yet.
    high: Option<u16>,
    /// Bytes that did not fit into the last buffer.
    ready: Vec<u8>,
    taken: usize,
}

impl<R: BufRead> Utf16Reader<R> {
    pub(super) fn new(units: R, order: ByteOrder) -> Self {
        Self {
            units,
            order,
            high: None,
            ready: Vec::new(),
            taken: 0,
        }
    }

    /// Decodes what is in the buffer of the reader below; false at the end of the text.
    fn refill(&mut self) -> io::Result<bool> {
        self.ready.clear();
        self.taken = 0;
        let available = self.units.fill_buf()?;
        let ended = available.is_empty();
        let whole = available.len() / 2 * 2;
        let mut units = Vec::with_capacity(whole / 2 + 1);
        let consumed = match (whole, available.len()) {
            (0, 0) => 0,
            // One byte at the end of the buffer: its other half may come with the next.
            (0, _) => {
                let mut pair = [0; 2];
                let read = read_both(&mut self.units, &mut pair)?;
                match read {
                    2 => units.push(self.order.unit(pair)),
                    _ => self.ready.extend_from_slice(&HALF),
                }
                0
            }
            _ => {
                let (pairs, _) = available[..whole].as_chunks::<2>();
                units.extend(pairs.iter().map(|pair| self.order.unit(*pair)));
                whole
            }
        };
        self.units.consume(consumed);
        for unit in units {
            self.push(unit);
        }
        if !ended {
            return Ok(true);
        }
        let half = self.high.take();
        if let Some(half) = half {
            self.push_half(half);
        }
        Ok(half.is_some())
    }

    fn push(&mut self, unit: u16) {
        let pair = self.high.take();
        match (pair, unit) {
            (Some(high), 0xdc00..=0xdfff) => {
                let code = 0x1_0000 + ((u32::from(high) - 0xd800) << 10) + (u32::from(unit) - 0xdc00);
                self.push_character(code);
            }
            (pair, unit) => {
                if let Some(half) = pair {
                    self.push_half(half);
                }
                match unit {
                    0xd800..=0xdbff => self.high = Some(unit),
                    0xdc00..=0xdfff => self.push_half(unit),
                    _ => self.push_character(u32::from(unit)),
                }
            }
        }
    }

    fn push_character(&mut self, code: u32) {
        let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
        self.ready
            .extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    }

    /// Writes half of a pair as UTF-8 would if it could, which no reader of UTF-8 accepts.
    fn push_half(&mut self, half: u16) {
        let low = |shift: u16| 0x80 | (half >> shift & 0x3f) as u8;
        self.ready
            .extend_from_slice(&[0xe0 | (half >> 12) as u8, low(6), low(0)]);
    }
}

impl ByteOrder {
    fn unit(self, pair: [u8; 2]) -> u16 {
        match self {
            Self::Big => u16::from_be_bytes(pair),
            Self::Little => u16::from_le_bytes(pair),
        }
    }
}

/// Reads two bytes, or what is left.
fn read_both(reader: &mut impl Read, pair: &mut [u8; 2]) -> io::Result<usize> {
    let mut read = 0;
    while read < 2 {
        match reader.read(&mut pair[read..]) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

impl<R: BufRead> Read for Utf16Reader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.taken == self.ready.len() {
            if !self.refill()? {
                return Ok(0);
            }
        }
        let left = &self.ready[self.taken..];
        let count = left.len().min(buffer.len());
        buffer[..count].copy_from_slice(&left[..count]);
        self.taken += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use proptest::prelude::*;

    use super::*;

    fn decoded(bytes: &[u8], order: ByteOrder, capacity: usize) -> Vec<u8> {
        let mut text = Vec::new();
        let reader = BufReader::with_capacity(capacity, bytes);
        Utf16Reader::new(reader, order)
            .read_to_end(&mut text)
            .expect("no I/O error in memory");
        text
    }

    fn encoded(text: &str, order: ByteOrder) -> Vec<u8> {
        text.encode_utf16()
            .flat_map(|unit| match order {
                ByteOrder::Big => unit.to_be_bytes(),
                ByteOrder::Little => unit.to_le_bytes(),
            })
            .collect()
    }

    proptest! {
        #[test]
        fn any_text_comes_back(text in "\\PC{0,40}", big: bool, capacity in 1_usize..9) {
            let order = if big { ByteOrder::Big } else { ByteOrder::Little };
            prop_assert_eq!(decoded(&encoded(&text, order), order, capacity), text.as_bytes());
        }

        #[test]
        fn any_bytes_end(bytes in proptest::collection::vec(any::<u8>(), 0..64), big: bool, capacity in 1_usize..9) {
            let order = if big { ByteOrder::Big } else { ByteOrder::Little };
            decoded(&bytes, order, capacity);
        }
    }

    #[test]
    fn halves_are_no_text() {
        for units in [&[0xd83d_u16][..], &[0x61, 0xde97, 0x62], &[0xd83d, 0x61]] {
            let bytes: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
            assert!(
                str::from_utf8(&decoded(&bytes, ByteOrder::Little, 3)).is_err(),
                "{units:x?}"
            );
        }
        assert!(str::from_utf8(&decoded(b"a\0b", ByteOrder::Little, 8)).is_err());
    }
}
