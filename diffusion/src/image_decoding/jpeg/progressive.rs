//! Scans that tell some bits of some coefficients.

use crate::image::ImageDamage;

use super::bit_reader::BitReader;
use super::huffman_table::HuffmanTable;
use super::planes::Coefficients;
use super::scan::{BlockReader, Scan, ScanPart};
use super::settings::{NATURAL_ORDER, Settings};

/// Reads what a scan tells of blocks into those that earlier scans left.
pub(super) struct ProgressiveReader<'a> {
    parts: Vec<Part>,
    coefficients: &'a mut [Coefficients],
    is_refinement: bool,
    band: Band,
}

struct Part {
    component: usize,
    /// None where bits alone come.
    table: Option<HuffmanTable>,
    /// The last DC coefficient.
    last_dc: i32,
}

/// The coefficients that a scan tells of.
struct Band {
    first: usize,
    last: usize,
    lowest_bit: u32,
    /// Blocks, the next one first, of which nothing more is told but bits of coefficients that are known.
    empty_blocks: u32,
}

impl<'a> ProgressiveReader<'a> {
    /// Makes the tables of a scan ready.
    ///
    /// # Errors
    /// [`ImageDamage::Damaged`] when one is lacking.
    pub(super) fn new(
        scan: &Scan,
        settings: &Settings,
        coefficients: &'a mut [Coefficients],
    ) -> Result<Self, ImageDamage> {
        let (is_dc, is_refinement) = (scan.first == 0, scan.known_above > 0);
        let part = |part: &ScanPart| -> Result<Part, ImageDamage> {
            let index = if is_dc { part.dc } else { part.ac };
            let table = match is_dc && is_refinement {
                true => None,
                false => Some(settings.code(is_dc, index, true)?.table(is_dc)?),
            };
            Ok(Part {
                component: part.component,
                table,
                last_dc: 0,
            })
        };
        Ok(Self {
            parts: scan.parts.iter().map(part).collect::<Result<Vec<_>, _>>()?,
            coefficients,
            is_refinement,
            band: Band {
                first: scan.first,
                last: scan.last,
                lowest_bit: scan.lowest_bit,
                empty_blocks: 0,
            },
        })
    }
}

impl BlockReader for ProgressiveReader<'_> {
    fn restart(&mut self) {
        self.parts.iter_mut().for_each(|part| part.last_dc = 0);
        self.band.empty_blocks = 0;
    }

    fn read(&mut self, bits: &mut BitReader<'_>, part: usize, column: usize, row: usize) {
        let part = &mut self.parts[part];
        let block = self.coefficients[part.component].block_mut(column, row);
        let lowest_bit = self.band.lowest_bit;
        match &part.table {
            None => block[0] |= (bits.take(1) << lowest_bit) as i16,
            Some(table) if self.band.first == 0 => {
                let size = table.read(bits);
                part.last_dc = part.last_dc.wrapping_add(bits.take_signed(size.into()));
                block[0] = (part.last_dc << lowest_bit) as i16;
            }
            Some(table) if self.is_refinement => self.band.read_refinement(bits, table, block),
            Some(table) => self.band.read_first(bits, table, block),
        }
    }
}

impl Band {
    /// Reads the upper bits of coefficients of which nothing is known.
    fn read_first(&mut self, bits: &mut BitReader<'_>, table: &HuffmanTable, block: &mut [i16; 64]) {
        if self.empty_blocks > 0 {
            self.empty_blocks -= 1;
            return;
        }
        let mut place = self.first;
        while place <= self.last {
            let symbol = table.read(bits);
            let (run, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
            if size == 0 && run < 15 {
                self.empty_blocks = empty_blocks(run, bits) - 1;
                return;
            }
            place += run;
            if size > 0 {
                let value = bits.take_signed(size) << self.lowest_bit;
                block[usize::from(NATURAL_ORDER[place])] = value as i16;
            }
            place += 1;
        }
    }

    /// Reads a further bit of coefficients that are known, and those that become known with it.
    fn read_refinement(&mut self, bits: &mut BitReader<'_>, table: &HuffmanTable, block: &mut [i16; 64]) {
        let mut place = self.first;
        while self.empty_blocks == 0 && place <= self.last {
            let symbol = table.read(bits);
            let (run, size) = (usize::from(symbol >> 4), symbol & 15);
            if size == 0 && run < 15 {
                self.empty_blocks = empty_blocks(run, bits);
                break;
            }
            // A coefficient that becomes known has one bit, whatever size is told.
            let bit = 1_i16 << self.lowest_bit;
            let new = if size > 0 && bits.take(1) == 0 { -bit } else { bit };
            place = self.refine(bits, block, place, run);
            if size > 0 {
                block[usize::from(NATURAL_ORDER[place])] = new;
            }
            place += 1;
        }
        if self.empty_blocks > 0 {
            self.refine(bits, block, place, usize::MAX);
            self.empty_blocks -= 1;
        }
    }

    /// Reads a bit of each known coefficient up to the one behind so many unknown ones, whose place it tells.
    fn refine(&self, bits: &mut BitReader<'_>, block: &mut [i16; 64], start: usize, unknown: usize) -> usize {
        let bit = 1_i16 << self.lowest_bit;
        let mut left = unknown;
        for place in start..=self.last {
            let coefficient = &mut block[usize::from(NATURAL_ORDER[place])];
            if *coefficient == 0 {
                if left == 0 {
                    return place;
                }
                left -= 1;
            } else if bits.take(1) == 1 && *coefficient & bit == 0 {
                let step = if *coefficient >= 0 { bit } else { -bit };
                *coefficient = coefficient.wrapping_add(step);
            }
        }
        self.last + 1
    }
}

/// How many blocks, this one too, the code of their run tells.
fn empty_blocks(run: usize, bits: &mut BitReader<'_>) -> u32 {
    let run = run as u32;
    (1 << run) + bits.take(run) as u32
}
