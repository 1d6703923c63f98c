//! A winter's day: soft outlines, haze, and snow before them.

use mitune_diffusion::image::RgbImage;

use super::{to_byte, with_pixels};

/// Box blurs, a blend with white, and flakes on top.
#[derive(Debug, Clone, PartialEq)]
pub struct BlurAndSnow {
    /// Pixels to each side that a blur takes the mean of.
    pub radius: usize,
    /// Blurs one after the other; three are nearly a Gaussian.
    pub passes: usize,
    /// Share of white in the haze, from 0 to 1.
    pub haze: f64,
    /// The flakes, one before the other.
    pub flakes: Vec<Flake>,
}

/// A flake of snow: a white disc whose border is one pixel soft.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Flake {
    /// Column of its centre; pixel `i` has its own at `i + 1/2`.
    pub x: f64,
    /// Row of its centre.
    pub y: f64,
    /// Radius in pixels.
    pub radius: f64,
    /// Share of white in its middle, from 0 to 1.
    pub opacity: f64,
}

impl BlurAndSnow {
    /// Lets it snow on an image. Beyond its borders the image goes on as it ends.
    pub fn apply(&self, image: &RgbImage) -> RgbImage {
        let (width, height) = (image.width() as usize, image.height() as usize);
        let mut bytes = image.pixels().to_vec();
        for _ in 0..self.passes {
            // Along rows, then along columns.
            bytes = self.blurred(&bytes, (width, 3), (height, 3 * width));
            bytes = self.blurred(&bytes, (height, 3 * width), (width, 3));
        }
        let mut values: Vec<f64> = bytes
            .iter()
            .map(|byte| towards_white(f64::from(*byte), self.haze))
            .collect();
        for flake in &self.flakes {
            flake.fall_on(&mut values, width, height);
        }
        with_pixels(image, |place| {
            [0, 1, 2].map(|channel| to_byte(values[3 * place + channel]))
        })
    }

    /// Takes means along lines of `length` pixels that are `stride` bytes apart; there are `lines` of them, `apart`
    /// bytes from each other. Means are rounded, halves up.
    fn blurred(
        &self,
        bytes: &[u8],
        (length, stride): (usize, usize),
        (lines, apart): (usize, usize),
    ) -> Vec<u8> {
        let window = 2 * self.radius + 1;
        let mut blurred = vec![0; bytes.len()];
        for line in 0..lines {
            for channel in 0..3 {
                let begin = line * apart + channel;
                // Positions are those of the line with its ends repeated `radius` times.
                let at = |position: usize| {
                    let inside = position.saturating_sub(self.radius).min(length - 1);
                    usize::from(bytes[begin + inside * stride])
                };
                let mut sum: usize = (0..window).map(at).sum();
                for place in 0..length {
                    blurred[begin + place * stride] = ((2 * sum + window) / (2 * window)) as u8;
                    sum = sum + at(place + window) - at(place);
                }
            }
        }
        blurred
    }
}

impl Flake {
    fn fall_on(&self, values: &mut [f64], width: usize, height: usize) {
        for row in reached(self.y, self.radius, height) {
            for column in reached(self.x, self.radius, width) {
                let (right, down) = (column as f64 + 0.5 - self.x, row as f64 + 0.5 - self.y);
                let distance = (right * right + down * down).sqrt();
                let cover = (self.radius + 0.5 - distance).clamp(0.0, 1.0) * self.opacity;
                let place = 3 * (row * width + column);
                for value in &mut values[place..place + 3] {
                    *value = towards_white(*value, cover);
                }
            }
        }
    }
}

/// The pixels along one side that a flake can reach.
fn reached(centre: f64, radius: f64, length: usize) -> std::ops::Range<usize> {
    // A negative number becomes 0.
    let first = (centre - radius - 1.0).floor() as usize;
    let last = (centre + radius + 1.0).ceil() as usize;
    first.min(length)..last.min(length)
}

fn towards_white(value: f64, share: f64) -> f64 {
    value + (255.0 - value) * share
}
