//! Sizes after resizing, and which part of the result is kept.

use std::ops::Range;

use serde::Serialize;

/// How large an image becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Size {
    /// It stays as it is.
    Unchanged,
    /// The shorter side is this, the other in proportion, cut off.
    ShorterSide(usize),
    /// The longer side is this, the other in proportion, rounded, with zeros around it up to a square.
    LongerSide(usize),
    /// Whatever it was before.
    Exact { height: usize, width: usize },
}

/// Which part of the resized image is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Crop {
    /// All of it.
    None,
    /// The middle, which begins at the nearest pixel, an even one of two.
    Nearest { height: usize, width: usize },
    /// The middle, which begins at the pixel before; with zeros around an image that is smaller, one more before it.
    Before { height: usize, width: usize },
    /// The same, with one zero more behind a smaller image.
    BeforeZerosBehind { height: usize, width: usize },
}

/// What becomes of one axis of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Axis {
    /// Pixels of the image.
    pub(super) input: usize,
    /// Pixels after resizing.
    pub(super) resized: usize,
    /// Which of these are kept.
    pub(super) window: Range<usize>,
    /// Zeros before them.
    pub(super) before: usize,
    /// Pixels in the end, with zeros.
    pub(super) length: usize,
}

impl Axis {
    /// An axis that is resized and kept as it is then.
    pub(super) fn whole(input: usize, resized: usize) -> Self {
        Self {
            input,
            resized,
            window: 0..resized,
            before: 0,
            length: resized,
        }
    }

    /// Whether nothing is resized.
    pub(super) fn is_unchanged(&self) -> bool {
        self.input == self.resized
    }

    fn padded(self, length: usize, before: usize) -> Self {
        Self {
            before,
            length,
            ..self
        }
    }

    fn cropped(self, length: usize, start: usize) -> Self {
        Self {
            window: start..start + length,
            length,
            ..self
        }
    }
}

impl Size {
    /// Rows and columns of an image of this height and width; one of them may vanish.
    pub(super) fn axes(self, height: usize, width: usize) -> [Axis; 2] {
        match self {
            Self::Unchanged => [Axis::whole(height, height), Axis::whole(width, width)],
            Self::Exact {
                height: rows,
                width: columns,
            } => [Axis::whole(height, rows), Axis::whole(width, columns)],
            Self::ShorterSide(side) => {
                let (short, long) = (height.min(width), height.max(width));
                let longer = ((side * long) as f64 / short as f64) as usize;
                match width <= height {
                    true => [Axis::whole(height, longer), Axis::whole(width, side)],
                    false => [Axis::whole(height, side), Axis::whole(width, longer)],
                }
            }
            Self::LongerSide(side) => {
                let scale = side as f64 / height.max(width) as f64;
                [height, width].map(|input| {
                    let resized = (input as f64 * scale).round_ties_even() as usize;
                    let missing = side.saturating_sub(resized);
                    Axis::whole(input, resized).padded(resized + missing, missing / 2)
                })
            }
        }
    }
}

impl Crop {
    /// Keeps the middle of rows and columns.
    pub(super) fn apply(self, [rows, columns]: [Axis; 2]) -> [Axis; 2] {
        match self {
            Self::None => [rows, columns],
            Self::Nearest { height, width }
            | Self::Before { height, width }
            | Self::BeforeZerosBehind { height, width } => {
                [self.middle(rows, height), self.middle(columns, width)]
            }
        }
    }

    fn middle(self, axis: Axis, length: usize) -> Axis {
        match axis.resized.checked_sub(length) {
            Some(surplus) => {
                let half = surplus / 2;
                let start = match self {
                    Self::Nearest { .. } => half + (surplus % 2) * (half % 2),
                    _ => half,
                };
                axis.cropped(length, start)
            }
            None => {
                let missing = length - axis.resized;
                let before = match self {
                    Self::Before { .. } => missing.div_ceil(2),
                    _ => missing / 2,
                };
                axis.padded(length, before)
            }
        }
    }
}

/// Puts pixels into a frame of zeros, if there is one.
pub(super) fn framed<T: Copy + Default, const CHANNELS: usize>(
    pixels: Vec<T>,
    [rows, columns]: [&Axis; 2],
) -> Vec<T> {
    let line = columns.window.len() * CHANNELS;
    if rows.length == rows.window.len() && columns.length == columns.window.len() {
        return pixels;
    }
    let long_line = columns.length * CHANNELS;
    let start = columns.before * CHANNELS;
    let mut frame = vec![T::default(); rows.length * long_line];
    let inner = frame.chunks_exact_mut(long_line).skip(rows.before);
    for (output, input) in inner.zip(pixels.chunks_exact(line)) {
        output[start..start + line].copy_from_slice(input);
    }
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    fn starts(crop: Crop, height: usize, width: usize) -> [usize; 2] {
        crop.apply(Size::Unchanged.axes(height, width))
            .map(|axis| axis.window.start)
    }

    #[test]
    fn the_middle_of_an_odd_surplus_depends_on_the_library() {
        let (height, width) = (10, 10);
        // A surplus of 3 is 1.5 on each side, one of 5 is 2.5.
        assert_eq!(starts(Crop::Nearest { height, width }, 13, 15), [2, 2]);
        assert_eq!(starts(Crop::Before { height, width }, 13, 15), [1, 2]);
        assert_eq!(starts(Crop::BeforeZerosBehind { height, width }, 13, 15), [1, 2]);
        assert_eq!(starts(Crop::Nearest { height, width }, 11, 17), [0, 4]);
    }

    #[test]
    fn sizes_are_cut_off_or_rounded() {
        let sizes = |size: Size, height, width| size.axes(height, width).map(|axis| axis.resized);
        assert_eq!(sizes(Size::ShorterSide(224), 227, 300), [224, 296]);
        assert_eq!(sizes(Size::ShorterSide(224), 1000, 1), [224_000, 224]);
        assert_eq!(sizes(Size::LongerSide(224), 100, 224), [100, 224]);
        assert_eq!(sizes(Size::LongerSide(224), 1000, 1), [224, 0]);
        let [rows, columns] = Size::LongerSide(224).axes(300, 171);
        assert_eq!((rows.resized, rows.before, rows.length), (224, 0, 224));
        assert_eq!((columns.resized, columns.before, columns.length), (128, 48, 224));
    }

    #[test]
    fn a_small_image_is_framed() {
        let crop = Crop::Before { height: 2, width: 4 };
        let [rows, columns] = crop.apply(Size::Unchanged.axes(1, 1));
        let frame = framed::<u8, 1>(vec![7], [&rows, &columns]);
        assert_eq!(frame, [0, 0, 0, 0, 0, 0, 7, 0]);
    }
}
