//! Huffman codes and the tables by which they are read.

use crate::image::ImageDamage;

use super::bit_reader::BitReader;

/// Codes of at most this length are looked up.
const LOOKUP_BITS: u32 = 9;

/// What a bad code takes: libjpeg has looked at so many bits when it gives up.
const BAD_CODE_BITS: u32 = 17;

/// A code as a file describes it: how many codes there are of each length, and what they mean in their order.
#[derive(Clone)]
pub(super) struct HuffmanCode {
    counts: [u8; 16],
    values: [u8; 256],
}

/// A code made ready to read.
pub(super) struct HuffmanTable {
    /// Length and value by the next bits; length 0 for longer codes.
    lookup: [(u8, u8); 1 << LOOKUP_BITS],
    /// The last code of each length, -1 where there is none.
    last: [i32; 17],
    /// What is added to a code of each length for the index of its value.
    offset: [i32; 17],
    values: [u8; 256],
}

impl HuffmanCode {
    /// Puts a code together; values beyond those given mean 0.
    ///
    /// # Errors
    /// [`ImageDamage::Damaged`] when there are more codes than values.
    pub(super) fn new(counts: [u8; 16], given: &[u8]) -> Result<Self, ImageDamage> {
        let length = counts.iter().copied().map(usize::from).sum::<usize>();
        let given = given.get(..length).ok_or(ImageDamage::Damaged)?;
        let mut values = [0; 256];
        let place = values.get_mut(..length).ok_or(ImageDamage::Damaged)?;
        place.copy_from_slice(given);
        Ok(Self { counts, values })
    }

    /// How many values there are.
    pub(super) fn length(&self) -> usize {
        self.counts.iter().copied().map(usize::from).sum()
    }

    /// The table of a code of DC or of AC coefficients.
    ///
    /// # Errors
    /// [`ImageDamage::Damaged`] when there is no such code - ones alone are none - or when its values are no sizes of DC
    /// coefficients.
    pub(super) fn table(&self, is_dc: bool) -> Result<HuffmanTable, ImageDamage> {
        if is_dc && self.values[..self.length()].iter().any(|size| *size > 15) {
            return Err(ImageDamage::Damaged);
        }
        let mut table = HuffmanTable {
            lookup: [(0, 0); 1 << LOOKUP_BITS],
            last: [-1; 17],
            offset: [0; 17],
            values: self.values,
        };
        let (mut code, mut index) = (0_usize, 0_usize);
        for (length, count) in (1_u32..).zip(self.counts) {
            let count = usize::from(count);
            if count > 0 {
                if code + count >= 1 << length {
                    return Err(ImageDamage::Damaged);
                }
                table.offset[length as usize] = index as i32 - code as i32;
                table.last[length as usize] = (code + count) as i32 - 1;
                table.fill_lookup(length, code, &self.values[index..index + count]);
            }
            (code, index) = ((code + count) << 1, index + count);
        }
        Ok(table)
    }
}

impl HuffmanTable {
    fn fill_lookup(&mut self, length: u32, first: usize, values: &[u8]) {
        let Some(free) = LOOKUP_BITS.checked_sub(length) else {
            return;
        };
        for (code, value) in (first..).zip(values) {
            self.lookup[code << free..(code + 1) << free].fill((length as u8, *value));
        }
    }

    /// Takes a code; what is none means 0, as libjpeg has it.
    #[inline]
    pub(super) fn read(&self, bits: &mut BitReader<'_>) -> u8 {
        let next = bits.peek();
        let (length, value) = self.lookup[(next >> (16 - LOOKUP_BITS)) as usize];
        if length > 0 {
            bits.skip(u32::from(length));
            return value;
        }
        self.read_long(next, bits)
    }

    fn read_long(&self, next: u32, bits: &mut BitReader<'_>) -> u8 {
        for length in LOOKUP_BITS + 1..=16 {
            let code = (next >> (16 - length)) as i32;
            if code <= self.last[length as usize] {
                bits.skip(length);
                return self.values[(code + self.offset[length as usize]) as usize & 255];
            }
        }
        bits.skip(BAD_CODE_BITS);
        0
    }
}
