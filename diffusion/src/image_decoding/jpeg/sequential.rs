//! Scans in which each block comes as a whole: it is transformed at once.

use crate::image::ImageDamage;

use super::bit_reader::BitReader;
use super::huffman_table::HuffmanTable;
use super::inverse_transform::inverse_transform;
use super::planes::Plane;
use super::scan::{BlockReader, Scan, ScanPart};
use super::settings::{NATURAL_ORDER, Settings};

/// Reads blocks into planes.
pub(super) struct SequentialReader<'a> {
    parts: Vec<Part>,
    planes: &'a mut [Plane],
}

struct Part {
    component: usize,
    dc: HuffmanTable,
    ac: HuffmanTable,
    steps: [u16; 64],
    /// The last DC coefficient.
    last_dc: i32,
}

impl<'a> SequentialReader<'a> {
    /// Makes the tables of a scan ready; `steps` are those of each component that it has.
    ///
    /// # Errors
    /// [`ImageDamage::Damaged`] when one is lacking.
    pub(super) fn new(
        scan: &Scan,
        settings: &Settings,
        steps: &[Option<[u16; 64]>],
        planes: &'a mut [Plane],
    ) -> Result<Self, ImageDamage> {
        let part = |part: &ScanPart| -> Result<Part, ImageDamage> {
            Ok(Part {
                component: part.component,
                dc: settings.code(true, part.dc, false)?.table(true)?,
                ac: settings.code(false, part.ac, false)?.table(false)?,
                steps: steps[part.component].ok_or(ImageDamage::Damaged)?,
                last_dc: 0,
            })
        };
        Ok(Self {
            parts: scan.parts.iter().map(part).collect::<Result<Vec<_>, _>>()?,
            planes,
        })
    }
}

impl BlockReader for SequentialReader<'_> {
    fn restart(&mut self) {
        self.parts.iter_mut().for_each(|part| part.last_dc = 0);
    }

    fn read(&mut self, bits: &mut BitReader<'_>, part: usize, column: usize, row: usize) {
        let part = &mut self.parts[part];
        let block = part.read_block(bits);
        let plane = &mut self.planes[part.component];
        let stride = plane.stride();
        inverse_transform(&block, &part.steps, plane.block_mut(column, row), stride);
    }
}

impl Part {
    fn read_block(&mut self, bits: &mut BitReader<'_>) -> [i16; 64] {
        let mut block = [0; 64];
        let size = self.dc.read(bits);
        self.last_dc = self.last_dc.wrapping_add(bits.take_signed(size.into()));
        block[0] = self.last_dc as i16;
        let mut place = 1;
        while place < 64 {
            let symbol = self.ac.read(bits);
            let (run, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
            place += run;
            if size > 0 {
                block[usize::from(NATURAL_ORDER[place])] = bits.take_signed(size) as i16;
            } else if run < 15 {
                break;
            }
            place += 1;
        }
        block
    }
}
