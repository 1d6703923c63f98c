//! What segments beside frames and scans say: tables, restarts and how colours are stored.

use crate::image::ImageDamage;

use super::huffman_table::HuffmanCode;
use super::segments::Segments;
use super::standard_tables;

/// Coefficients of a block in the order in which files have them; places beyond the last one mean the last one.
pub(super) const NATURAL_ORDER: [u8; 80] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7,
    14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39,
    46, 53, 60, 61, 54, 47, 55, 62, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63,
];

/// What was said so far; each scan takes the tables that hold when it begins.
#[derive(Default)]
pub(super) struct Settings {
    /// Steps of the coefficients, row by row.
    quantization: [Option<[u16; 64]>; 4],
    dc: [Option<HuffmanCode>; 4],
    ac: [Option<HuffmanCode>; 4],
    /// Units between restarts, 0 for none.
    pub(super) restart_interval: usize,
    /// Whether the file is of JFIF, whose colours are luminance and differences.
    pub(super) is_jfif: bool,
    /// What Adobe's segment says of colours.
    pub(super) adobe_transform: Option<u8>,
}

impl Settings {
    /// Reads the segment of a marker that is no frame, scan or end.
    ///
    /// # Errors
    /// [`ImageDamage::Cut`] where the file ends, [`ImageDamage::Damaged`] for tables that cannot be and for markers
    /// that mean nothing.
    pub(super) fn read(&mut self, marker: u8, segments: &mut Segments<'_>) -> Result<(), ImageDamage> {
        match marker {
            0x01 | 0xd0..=0xd7 => Ok(()),
            0xc4 => self.read_codes(segments.payload()?),
            0xdb => self.read_quantization(segments.payload()?),
            0xdd => {
                let [high, low] = *segments.payload()? else {
                    return Err(ImageDamage::Damaged);
                };
                self.restart_interval = usize::from(u16::from_be_bytes([high, low]));
                Ok(())
            }
            0xe0 => {
                let payload = segments.payload()?;
                self.is_jfif |= payload.len() >= 14 && payload.starts_with(b"JFIF\0");
                Ok(())
            }
            0xee => {
                if let [b'A', b'd', b'o', b'b', b'e', _, _, _, _, _, _, transform, ..] = segments.payload()? {
                    self.adobe_transform = Some(*transform);
                }
                Ok(())
            }
            0xcc | 0xdc | 0xe1..=0xef | 0xfe => segments.payload().map(drop),
            _ => Err(ImageDamage::Damaged),
        }
    }

    /// The steps of a table of quantization.
    ///
    /// # Errors
    /// [`ImageDamage::Damaged`] when it was not given.
    pub(super) fn quantization(&self, index: usize) -> Result<[u16; 64], ImageDamage> {
        let table = self.quantization.get(index).copied().flatten();
        table.ok_or(ImageDamage::Damaged)
    }

    /// A code of DC coefficients, or of AC coefficients.
    ///
    /// Scans that are not progressive may do without, as frames of films do, which rely on the codes of the standard.
    ///
    /// # Errors
    /// [`ImageDamage::Damaged`] when it was not given.
    pub(super) fn code(
        &self,
        is_dc: bool,
        index: usize,
        is_progressive: bool,
    ) -> Result<HuffmanCode, ImageDamage> {
        let codes = if is_dc { &self.dc } else { &self.ac };
        match codes.get(index) {
            Some(Some(code)) => Ok(code.clone()),
            Some(None) if !is_progressive => standard_tables::code(is_dc, index),
            _ => Err(ImageDamage::Damaged),
        }
    }

    fn read_quantization(&mut self, payload: &[u8]) -> Result<(), ImageDamage> {
        let mut rest = payload;
        while let [kind, values @ ..] = rest {
            let bytes = if kind >> 4 == 0 { 1 } else { 2 };
            let values = values.get(..64 * bytes).ok_or(ImageDamage::Damaged)?;
            let place = self.quantization.get_mut(usize::from(kind & 15));
            let steps = place.ok_or(ImageDamage::Damaged)?.insert([0; 64]);
            for (value, place) in values.chunks_exact(bytes).zip(NATURAL_ORDER) {
                let number = value
                    .iter()
                    .fold(0, |number, byte| (number << 8) | u16::from(*byte));
                steps[usize::from(place)] = number;
            }
            rest = rest.get(1 + 64 * bytes..).unwrap_or_default();
        }
        Ok(())
    }

    fn read_codes(&mut self, payload: &[u8]) -> Result<(), ImageDamage> {
        let mut rest = payload;
        while let [kind, description @ ..] = rest {
            let (counts, values) = description
                .split_first_chunk::<16>()
                .ok_or(ImageDamage::Damaged)?;
            let code = HuffmanCode::new(*counts, values)?;
            let codes = match kind >> 4 {
                0 => &mut self.dc,
                1 => &mut self.ac,
                _ => return Err(ImageDamage::Damaged),
            };
            rest = values.get(code.length()..).unwrap_or_default();
            *codes
                .get_mut(usize::from(kind & 15))
                .ok_or(ImageDamage::Damaged)? = Some(code);
        }
        Ok(())
    }
}
