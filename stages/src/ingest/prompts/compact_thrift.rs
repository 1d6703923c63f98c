//! The encoding of Parquet's own records, as far as sizes are to be known before anything is made of them.
//!
//! <https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md>

/// Deepest nesting of records; Parquet's own go five deep.
const DEEPEST: usize = 16;

/// Reads values one after the other; nothing where the bytes end or make no sense.
#[derive(Debug)]
pub(super) struct Compact<'b> {
    bytes: &'b [u8],
    at: usize,
}

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    Byte,
    Whole,
    Double,
    Binary,
    List,
    Map,
    Struct,
    Uuid,
}

impl Kind {
    fn of(code: u8) -> Option<Self> {
        Some(match code {
            1 | 2 => Self::Bool,
            3 => Self::Byte,
            4..=6 => Self::Whole,
            7 => Self::Double,
            8 => Self::Binary,
            9 | 10 => Self::List,
            11 => Self::Map,
            12 => Self::Struct,
            13 => Self::Uuid,
            _ => return None,
        })
    }
}

impl<'b> Compact<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Bytes read so far.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// Reads a record field by field; `field` returns whether it has read the value itself.
    pub(super) fn record(
        &mut self,
        mut field: impl FnMut(&mut Self, i16, Kind) -> Option<bool>,
    ) -> Option<()> {
        let mut number = 0_i16;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Some(());
            }
            number = match head >> 4 {
                0 => i16::try_from(self.whole()?).ok()?,
                step => number.checked_add(i16::from(step))?,
            };
            let kind = Kind::of(head & 0xf)?;
            if !field(self, number, kind)? {
                self.skip_field(kind, DEEPEST)?;
            }
        }
    }

    /// Reads the head of a list: its length and what it holds.
    pub(super) fn list(&mut self) -> Option<(usize, Kind)> {
        let head = self.byte()?;
        let kind = Kind::of(head & 0xf)?;
        let length = match head >> 4 {
            15 => usize::try_from(self.unsigned()?).ok()?,
            short => usize::from(short),
        };
        // Each entry takes a byte at least.
        (length <= self.bytes.len() - self.at).then_some((length, kind))
    }

    /// Reads a whole number with a sign.
    pub(super) fn whole(&mut self) -> Option<i64> {
        let raw = self.unsigned()?;
        Some((raw >> 1).cast_signed() ^ -((raw & 1).cast_signed()))
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn unsigned(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn leap(&mut self, bytes: u64) -> Option<()> {
        let end = self.at.checked_add(usize::try_from(bytes).ok()?)?;
        self.at = (end <= self.bytes.len()).then_some(end)?;
        Some(())
    }

    /// Skips the value of a field, whose kind holds the value of a truth.
    fn skip_field(&mut self, kind: Kind, deepest: usize) -> Option<()> {
        match kind {
            Kind::Bool => Some(()),
            kind => self.skip(kind, deepest),
        }
    }

    fn skip(&mut self, kind: Kind, deepest: usize) -> Option<()> {
        let deepest = deepest.checked_sub(1)?;
        match kind {
            Kind::Bool | Kind::Byte => self.leap(1),
            Kind::Whole => self.unsigned().map(|_| ()),
            Kind::Double => self.leap(8),
            Kind::Uuid => self.leap(16),
            Kind::Binary => {
                let length = self.unsigned()?;
                self.leap(length)
            }
            Kind::List => {
                let (length, kind) = self.list()?;
                (0..length).try_for_each(|_| self.skip(kind, deepest))
            }
            Kind::Map => {
                let length = self.unsigned()?;
                if length == 0 {
                    return Some(());
                }
                let kinds = self.byte()?;
                let (key, value) = (Kind::of(kinds >> 4)?, Kind::of(kinds & 0xf)?);
                (0..length).try_for_each(|_| {
                    self.skip(key, deepest)?;
                    self.skip(value, deepest)
                })
            }
            Kind::Struct => loop {
                let head = self.byte()?;
                if head == 0 {
                    return Some(());
                }
                if head >> 4 == 0 {
                    self.whole()?;
                }
                self.skip_field(Kind::of(head & 0xf)?, deepest)?;
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fields(bytes: &[u8]) -> Option<Vec<(i16, i64)>> {
        let mut found = Vec::new();
        Compact::new(bytes).record(|input, number, kind| {
            if kind != Kind::Whole {
                return Some(false);
            }
            found.push((number, input.whole()?));
            Some(true)
        })?;
        Some(found)
    }

    #[test]
    fn records_are_read_and_skipped() {
        // 1: 3, 2: "ab", 3: true, 4: [1, 2], 5: {1: -1}, 21: 150
        let bytes = [
            0x15, 6, 0x18, 2, b'a', b'b', 0x11, 0x19, 0x25, 2, 4, 0x1c, 0x15, 1, 0, 0x05, 42, 0xac, 2, 0,
        ];
        assert_eq!(fields(&bytes), Some(vec![(1, 3), (21, 150)]));
        for cut in 0..bytes.len() {
            assert_eq!(fields(&bytes[..cut]), None, "{cut}");
        }
    }

    #[test]
    fn nesting_and_lengths_without_end_are_refused() {
        assert_eq!(fields(&[0x1c; 100_000]), None);
        assert_eq!(fields(&[0x19; 100_000]), None);
        assert_eq!(fields(&[0x18, 0xff, 0xff, 0xff, 0xff, 0x0f, 0]), None);
        assert_eq!(fields(&[0x19, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x0f, 0]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_end(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = fields(&bytes);
        }
    }
}
