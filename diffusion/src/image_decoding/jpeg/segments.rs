//! The markers of a file and the segments that follow them.

use crate::image::ImageDamage;

/// The marker at which the image ends.
pub(super) const END_OF_IMAGE: u8 = 0xd9;

/// The marker of a scan.
pub(super) const START_OF_SCAN: u8 = 0xda;

/// A file read marker by marker.
pub(super) struct Segments<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Segments<'a> {
    /// What follows the marker of the start.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 2 }
    }

    /// Where the next byte is.
    pub(super) fn position(&self) -> usize {
        self.position
    }

    /// Goes on elsewhere, as after the bits of a scan.
    pub(super) fn continue_at(&mut self, position: usize) {
        self.position = position;
    }

    /// The next marker, whatever lies before it.
    ///
    /// # Errors
    /// [`ImageDamage::Cut`] where none follows.
    pub(super) fn next_marker(&mut self) -> Result<u8, ImageDamage> {
        let (marker, position) = marker_from(self.bytes, self.position).ok_or(ImageDamage::Cut)?;
        self.position = position;
        Ok(marker)
    }

    /// What a segment holds after its length.
    ///
    /// # Errors
    /// [`ImageDamage::Cut`] where the file ends in it.
    pub(super) fn payload(&mut self) -> Result<&'a [u8], ImageDamage> {
        let rest = self.bytes.get(self.position..).unwrap_or_default();
        let [high, low, rest @ ..] = rest else {
            return Err(ImageDamage::Cut);
        };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let length = length.checked_sub(2).ok_or(ImageDamage::Damaged)?;
        self.position += 2 + length;
        rest.get(..length).ok_or(ImageDamage::Cut)
    }
}

/// The first marker at or after a position, and where it ends.
pub(super) fn marker_from(bytes: &[u8], position: usize) -> Option<(u8, usize)> {
    let mut position = position;
    loop {
        let rest = bytes.get(position..)?;
        let start = rest.iter().position(|byte| *byte == 0xff)?;
        let fill = rest.iter().skip(start).position(|byte| *byte != 0xff)?;
        position += start + fill + 1;
        match rest.get(start + fill) {
            Some(0) => {}
            marker => return marker.map(|marker| (*marker, position)),
        }
    }
}
