//! Components with fewer samples than pixels made as large as the image, as libjpeg-turbo's `jdsample.c` does.
//!
//! Where a side has half the samples, a pixel takes three quarters from the nearest sample and one from the next; all
//! other factors repeat samples. Roundings alternate, so that they do not add up.

use super::frame::{Component, Frame};
use super::planes::Plane;

/// How rows of pixels are made of rows of samples.
#[derive(Clone, Copy)]
pub(super) enum Upsampling {
    /// Each sample stands for so many pixels along each side.
    Repeated {
        /// Pixels of a row.
        across: usize,
        /// Rows.
        down: usize,
    },
    /// Half the columns.
    Across,
    /// Half the rows.
    Down,
    /// Half of both.
    Both,
}

impl Upsampling {
    /// What libjpeg takes for a component.
    pub(super) fn of(component: &Component, frame: &Frame) -> Self {
        let across = frame.most_across / component.across;
        let down = frame.most_down / component.down;
        // Rows of one or two samples are repeated.
        match (across, down, component.width > 2) {
            (2, 1, true) => Self::Across,
            (1, 2, _) => Self::Down,
            (2, 2, true) => Self::Both,
            _ => Self::Repeated { across, down },
        }
    }

    /// Makes a row of pixels, of which `row` may hold fewer than there are samples for.
    pub(super) fn fill_row(self, plane: &Plane, index: usize, row: &mut [u8]) {
        match self {
            Self::Repeated { across: 1, down } => row.copy_from_slice(plane.row(index / down)),
            Self::Repeated { across, down } => {
                for (pixels, sample) in row.chunks_mut(across).zip(plane.row(index / down)) {
                    pixels.fill(*sample);
                }
            }
            Self::Across => spread(
                plane.row(index).iter().map(|sample| u32::from(*sample)),
                (1, 2, 2),
                row,
            ),
            Self::Down => {
                let bias = if index.is_multiple_of(2) { 1 } else { 2 };
                for (pixel, sum) in row.iter_mut().zip(column_sums(plane, index)) {
                    *pixel = ((sum + bias) >> 2) as u8;
                }
            }
            Self::Both => spread(column_sums(plane, index), (8, 7, 4), row),
        }
    }
}

/// Three times the nearest sample and once that of the next row, for each column.
fn column_sums(plane: &Plane, index: usize) -> impl Iterator<Item = u32> {
    let near = index / 2;
    let next = match index % 2 {
        0 => near.saturating_sub(1),
        _ => (near + 1).min(plane.height() - 1),
    };
    let pairs = plane.row(near).iter().zip(plane.row(next));
    pairs.map(|(near, next)| 3 * u32::from(*near) + u32::from(*next))
}

/// Two pixels of each number: biases of the left and the right one, and the bits that are dropped.
fn spread(numbers: impl Iterator<Item = u32>, (left, right, bits): (u32, u32, u32), row: &mut [u8]) {
    let mut numbers = numbers;
    let mut this = numbers.next().unwrap_or_default();
    let mut last = this;
    for pixels in row.chunks_mut(2) {
        let next = numbers.next().unwrap_or(this);
        let both = [
            (3 * this + last + left) >> bits,
            (3 * this + next + right) >> bits,
        ];
        for (pixel, value) in pixels.iter_mut().zip(both) {
            *pixel = value as u8;
        }
        (last, this) = (this, next);
    }
}
