//! A scan: which components and coefficients it holds, and the order of its blocks.

use crate::image::ImageDamage;

use super::bit_reader::BitReader;
use super::frame::Frame;

/// Most blocks that a unit of several components may have.
const MOST_BLOCKS: usize = 10;

/// What a scan holds.
pub(super) struct Scan {
    /// Its components.
    pub(super) parts: Vec<ScanPart>,
    /// The first coefficient of a progressive scan.
    pub(super) first: usize,
    /// Its last coefficient.
    pub(super) last: usize,
    /// The bit above which coefficients are known, 0 for a first scan of them.
    pub(super) known_above: u32,
    /// The lowest bit that it tells.
    pub(super) lowest_bit: u32,
}

/// A component in a scan.
pub(super) struct ScanPart {
    /// Its index in the frame.
    pub(super) component: usize,
    /// The index of its code of DC coefficients.
    pub(super) dc: usize,
    /// The index of its code of AC coefficients.
    pub(super) ac: usize,
}

/// What is done with the blocks of a scan.
pub(super) trait BlockReader {
    /// Forgets what earlier blocks said.
    fn restart(&mut self);

    /// Reads the block of a part of the scan.
    fn read(&mut self, bits: &mut BitReader<'_>, part: usize, column: usize, row: usize);
}

impl Scan {
    /// Reads the head of a scan.
    ///
    /// # Errors
    /// [`ImageDamage::Damaged`] for components that the frame lacks and for coefficients that cannot be.
    pub(super) fn read(payload: &[u8], frame: &Frame) -> Result<Self, ImageDamage> {
        let [count, rest @ ..] = payload else {
            return Err(ImageDamage::Damaged);
        };
        let (described, range) = rest
            .split_at_checked(2 * usize::from(*count))
            .ok_or(ImageDamage::Damaged)?;
        let [first, last, bits] = *range else {
            return Err(ImageDamage::Damaged);
        };
        let mut parts: Vec<ScanPart> = Vec::new();
        for [id, codes] in described.as_chunks::<2>().0 {
            let is_free = |index: usize| parts.iter().all(|part| part.component != index);
            let mut components = frame.components.iter().enumerate();
            let found = components.find(|(index, component)| component.id == *id && is_free(*index));
            let (component, _) = found.ok_or(ImageDamage::Damaged)?;
            let (dc, ac) = (usize::from(codes >> 4), usize::from(codes & 15));
            parts.push(ScanPart { component, dc, ac });
        }
        let scan = Self {
            parts,
            first: first.into(),
            last: last.into(),
            known_above: u32::from(bits >> 4),
            lowest_bit: u32::from(bits & 15),
        };
        let blocks: usize = scan.shapes(frame).map(|(across, down)| across * down).sum();
        match scan.parts.is_empty()
            || blocks > MOST_BLOCKS
            || (frame.is_progressive && !scan.is_progression())
        {
            true => Err(ImageDamage::Damaged),
            false => Ok(scan),
        }
    }

    /// Goes over the blocks in their order, as far as there are bits.
    ///
    /// What lacks its bits stays as it is up to the next restart.
    pub(super) fn walk(
        &self,
        frame: &Frame,
        restart_interval: usize,
        bits: &mut BitReader<'_>,
        reader: &mut impl BlockReader,
    ) {
        let shapes: Vec<(usize, usize)> = self.shapes(frame).collect();
        let (units_across, units_down) = self.units(frame);
        let mut left = restart_interval;
        let mut number = 0;
        for (row, column) in
            (0..units_down).flat_map(|row| (0..units_across).map(move |column| (row, column)))
        {
            if restart_interval > 0 {
                if left == 0 {
                    bits.restart(number);
                    reader.restart();
                    (left, number) = (restart_interval, (number + 1) % 8);
                }
                left -= 1;
            }
            match (bits.is_exhausted(), restart_interval) {
                (true, 0) => return,
                (true, _) => {}
                (false, _) => {
                    for (part, (across, down)) in shapes.iter().copied().enumerate() {
                        for block in 0..across * down {
                            let (x, y) = (block % across, block / across);
                            reader.read(bits, part, column * across + x, row * down + y);
                        }
                    }
                }
            }
        }
    }

    /// Blocks of each part along the sides of a unit.
    fn shapes(&self, frame: &Frame) -> impl Iterator<Item = (usize, usize)> {
        let is_alone = self.parts.len() == 1;
        self.parts.iter().map(move |part| {
            let component = &frame.components[part.component];
            match is_alone {
                true => (1, 1),
                false => (component.across, component.down),
            }
        })
    }

    fn units(&self, frame: &Frame) -> (usize, usize) {
        match self.parts.as_slice() {
            [part] => frame.components[part.component].blocks(),
            _ => frame.units(),
        }
    }

    /// Whether it may be a scan of a progressive frame.
    fn is_progression(&self) -> bool {
        let is_range = match self.first {
            0 => self.last == 0,
            first => first <= self.last && self.last < 64 && self.parts.len() == 1,
        };
        let is_next = self.known_above == 0 || self.known_above == self.lowest_bit + 1;
        is_range && is_next && self.lowest_bit <= 13
    }
}
