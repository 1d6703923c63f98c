//! A pencil sketch: dark lines where brightness changes, white elsewhere.

use mitune_diffusion::image::RgbImage;

use super::{to_byte, with_pixels};

/// Sobel's gradient of the luma, inverted, through a curve with two ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EdgeSketch {
    /// Length of the gradient up to which paper stays white; lengths go from 0 to about 1140.
    pub threshold: f64,
    /// Length from which a line is black; above the threshold.
    pub saturation: f64,
}

impl EdgeSketch {
    /// Draws the sketch of an image. Beyond its borders the image goes on as it ends.
    pub fn apply(&self, image: &RgbImage) -> RgbImage {
        let luma = Luma::of(image);
        with_pixels(image, |place| {
            let strength = (luma.gradient(place) - self.threshold) / (self.saturation - self.threshold);
            [to_byte(255.0 * (1.0 - strength.clamp(0.0, 1.0))); 3]
        })
    }
}

/// Brightness of the pixels, row by row.
struct Luma {
    width: usize,
    height: usize,
    values: Vec<i32>,
}

impl Luma {
    /// Luma of ITU-R BT.601, `0.299 R + 0.587 G + 0.114 B`, rounded.
    fn of(image: &RgbImage) -> Self {
        let luma = |rgb: &[u8]| match rgb {
            [red, green, blue] => {
                (299 * i32::from(*red) + 587 * i32::from(*green) + 114 * i32::from(*blue) + 500) / 1000
            }
            _ => 0,
        };
        Self {
            width: image.width() as usize,
            height: image.height() as usize,
            values: image.pixels().chunks_exact(3).map(luma).collect(),
        }
    }

    /// Length of Sobel's gradient at a pixel.
    fn gradient(&self, place: usize) -> f64 {
        let (row, column) = (place / self.width, place % self.width);
        let (above, below) = (row.saturating_sub(1), (row + 1).min(self.height - 1));
        let (left, right) = (column.saturating_sub(1), (column + 1).min(self.width - 1));
        let at = |row: usize, column: usize| self.values[row * self.width + column];
        let across = |row: usize| at(row, right) - at(row, left);
        let down = |column: usize| at(below, column) - at(above, column);
        let horizontal = across(above) + 2 * across(row) + across(below);
        let vertical = down(left) + 2 * down(column) + down(right);
        f64::from(horizontal * horizontal + vertical * vertical).sqrt()
    }
}
