//! The head of a frame: how large the image is and how its components are sampled.

use crate::image::ImageDamage;

/// Samples along a side of a block.
pub(super) const BLOCK: usize = 8;

/// An image as the head of its frame describes it.
pub(super) struct Frame {
    /// Width in pixels.
    pub(super) width: usize,
    /// Height in pixels.
    pub(super) height: usize,
    /// Whether coefficients come bit by bit.
    pub(super) is_progressive: bool,
    /// One, three or four components.
    pub(super) components: Vec<Component>,
    /// The largest horizontal sampling factor.
    pub(super) most_across: usize,
    /// The largest vertical sampling factor.
    pub(super) most_down: usize,
}

/// A component of an image.
pub(super) struct Component {
    /// What scans call it.
    pub(super) id: u8,
    /// Horizontal sampling factor.
    pub(super) across: usize,
    /// Vertical sampling factor.
    pub(super) down: usize,
    /// The index of its table of quantization.
    pub(super) quantization: usize,
    /// Samples of a row.
    pub(super) width: usize,
    /// Rows of samples.
    pub(super) height: usize,
}

/// Whether a frame of this marker is read: baseline, extended or progressive.
pub(super) fn is_read_frame(marker: u8) -> bool {
    matches!(marker, 0xc0..=0xc2)
}

/// Whether it is a frame without loss, in differences, of several resolutions or in arithmetic codes.
pub(super) fn is_unread_frame(marker: u8) -> bool {
    matches!(marker, 0xc3 | 0xc5..=0xcb | 0xcd..=0xcf)
}

impl Frame {
    /// Reads the head of a frame.
    ///
    /// # Errors
    /// [`ImageDamage::Rare`] for other than 8 bits, a height that follows later, numbers of components that are no
    /// colours and factors that are not whole; [`ImageDamage::Damaged`] for what cannot be.
    pub(super) fn read(marker: u8, payload: &[u8]) -> Result<Self, ImageDamage> {
        let [bits, high, low, wide, narrow, count, rest @ ..] = payload else {
            return Err(ImageDamage::Damaged);
        };
        let (height, width) = (
            u16::from_be_bytes([*high, *low]),
            u16::from_be_bytes([*wide, *narrow]),
        );
        let (height, width) = (usize::from(height), usize::from(width));
        if *bits != 8 || height == 0 || !matches!(count, 1 | 3 | 4) {
            return Err(ImageDamage::Rare);
        }
        let (parts, left) = rest.as_chunks::<3>();
        if width == 0 || parts.len() != usize::from(*count) || !left.is_empty() {
            return Err(ImageDamage::Damaged);
        }
        let factors = |[_, factors, _]: &[u8; 3]| (usize::from(factors >> 4), usize::from(factors & 15));
        let all = || parts.iter().map(factors);
        if all().any(|(across, down)| !(1..=4).contains(&across) || !(1..=4).contains(&down)) {
            return Err(ImageDamage::Damaged);
        }
        let most_across = all().map(|(across, _)| across).max().unwrap_or(1);
        let most_down = all().map(|(_, down)| down).max().unwrap_or(1);
        if all().any(|(across, down)| most_across % across != 0 || most_down % down != 0) {
            return Err(ImageDamage::Rare);
        }
        let component = |part: &[u8; 3]| {
            let (across, down) = factors(part);
            Component {
                id: part[0],
                across,
                down,
                quantization: usize::from(part[2]),
                width: (width * across).div_ceil(most_across),
                height: (height * down).div_ceil(most_down),
            }
        };
        Ok(Self {
            width,
            height,
            is_progressive: marker == 0xc2,
            components: parts.iter().map(component).collect(),
            most_across,
            most_down,
        })
    }

    /// Units in which scans of several components go: how many there are of them along each side.
    pub(super) fn units(&self) -> (usize, usize) {
        (
            self.width.div_ceil(self.most_across * BLOCK),
            self.height.div_ceil(self.most_down * BLOCK),
        )
    }
}

impl Component {
    /// Blocks along each side, which a scan of this component alone has.
    pub(super) fn blocks(&self) -> (usize, usize) {
        (self.width.div_ceil(BLOCK), self.height.div_ceil(BLOCK))
    }

    /// Blocks along each side in whole units, which a scan of several components has.
    pub(super) fn padded_blocks(&self, frame: &Frame) -> (usize, usize) {
        let (units_across, units_down) = frame.units();
        (units_across * self.across, units_down * self.down)
    }
}
