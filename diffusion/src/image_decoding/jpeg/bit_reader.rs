//! The bits of a scan, of which there are always more: zeros where a marker or the end of the file comes too early.

use super::segments::marker_from;

/// What to do with a marker found where a restart was due.
enum Resynchronisation {
    Resume,
    Advance,
    Wait,
}

/// Reads the bits between two markers.
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    position: usize,
    /// The next bit on top, zeros below those that are there.
    bits: u64,
    count: u32,
    /// The marker that was met, which `position` is behind.
    marker: Option<u8>,
    is_exhausted: bool,
}

impl<'a> BitReader<'a> {
    /// The bits from a position on.
    pub(super) fn new(bytes: &'a [u8], position: usize) -> Self {
        Self {
            bytes,
            position,
            bits: 0,
            count: 0,
            marker: None,
            is_exhausted: false,
        }
    }

    /// Whether more bits were taken than there are.
    pub(super) fn is_exhausted(&self) -> bool {
        self.is_exhausted
    }

    /// Where the next marker is to be looked for.
    pub(super) fn end(&self) -> usize {
        match self.marker {
            Some(_) => self.position - 2,
            None => self.position,
        }
    }

    /// The next 16 bits, which are not taken.
    #[inline]
    pub(super) fn peek(&mut self) -> u32 {
        if self.count < 16 {
            self.fill();
        }
        (self.bits >> 48) as u32
    }

    /// Takes bits, 17 at most.
    #[inline]
    pub(super) fn skip(&mut self, count: u32) {
        if count > self.count {
            self.fill();
        }
        self.bits <<= count;
        match self.count.checked_sub(count) {
            Some(left) => self.count = left,
            None => {
                self.count = 0;
                self.is_exhausted = true;
            }
        }
    }

    /// Takes a number of so many bits, 16 at most.
    #[inline]
    pub(super) fn take(&mut self, count: u32) -> i32 {
        if count == 0 {
            return 0;
        }
        let value = self.peek() >> (16 - count);
        self.skip(count);
        value as i32
    }

    /// Takes a number of so many bits, the lower half of which stand for negative ones.
    #[inline]
    pub(super) fn take_signed(&mut self, count: u32) -> i32 {
        let value = self.take(count);
        match count > 0 && value < 1 << (count - 1) {
            true => value - (1 << count) + 1,
            false => value,
        }
    }

    /// Goes behind the restart of this number, or stays where the bits of a later one begin.
    pub(super) fn restart(&mut self, number: u8) {
        (self.bits, self.count) = (0, 0);
        if self.marker.is_none() {
            self.advance();
        }
        while let Some(marker) = self.marker {
            match resynchronisation(marker, number) {
                Resynchronisation::Resume => {
                    self.marker = None;
                    self.is_exhausted = false;
                    return;
                }
                Resynchronisation::Advance => self.advance(),
                Resynchronisation::Wait => return,
            }
        }
    }

    fn advance(&mut self) {
        match marker_from(self.bytes, self.position) {
            Some((marker, position)) => (self.marker, self.position) = (Some(marker), position),
            None => (self.marker, self.position) = (None, self.bytes.len()),
        }
    }

    fn fill(&mut self) {
        if self.marker.is_some() {
            return;
        }
        let rest = self.bytes.get(self.position..).unwrap_or_default();
        if let Some(next) = rest.first_chunk::<4>() {
            let word = u32::from_be_bytes(*next);
            if self.count <= 32 && !has_marker_byte(word) {
                self.bits |= u64::from(word) << (32 - self.count);
                self.count += 32;
                self.position += 4;
                return;
            }
        }
        while self.count <= 56 {
            let Some(byte) = self.next_byte() else { return };
            self.bits |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
    }

    fn next_byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.position)?;
        if byte != 0xff {
            self.position += 1;
            return Some(byte);
        }
        let rest = &self.bytes[self.position..];
        let Some(fill) = rest.iter().position(|byte| *byte != 0xff) else {
            self.position = self.bytes.len();
            return None;
        };
        self.position += fill + 1;
        match rest[fill] {
            0 => Some(0xff),
            marker => {
                self.marker = Some(marker);
                None
            }
        }
    }
}

/// Whether one of the four bytes may begin a marker.
#[inline]
fn has_marker_byte(word: u32) -> bool {
    let inverted = !word;
    inverted.wrapping_sub(0x0101_0101) & word & 0x8080_8080 != 0
}

/// As libjpeg's `jpeg_resync_to_restart` decides.
fn resynchronisation(marker: u8, number: u8) -> Resynchronisation {
    match marker {
        ..0xc0 => Resynchronisation::Advance,
        0xd0..=0xd7 => match (marker - 0xd0 + 8 - number) % 8 {
            1 | 2 => Resynchronisation::Wait,
            6 | 7 => Resynchronisation::Advance,
            _ => Resynchronisation::Resume,
        },
        _ => Resynchronisation::Wait,
    }
}
