//! A painting of few colours.

use mitune_diffusion::image::RgbImage;

use super::with_pixels;

/// Night blues, warm yellows and earth: the colours where no others are given.
pub const COLOURS: [[u8; 3]; 10] = [
    [16, 24, 56],
    [36, 62, 118],
    [78, 122, 176],
    [158, 190, 206],
    [238, 222, 152],
    [242, 178, 52],
    [196, 104, 36],
    [112, 58, 30],
    [76, 98, 58],
    [236, 232, 220],
];

/// Brightness in steps, and each colour the nearest of a palette.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaletteStyle {
    /// Red, green and blue of the colours; at least one.
    pub colours: Vec<[u8; 3]>,
    /// Steps that each channel is rounded to before, from 2 to 256, of which 256 change nothing.
    pub levels: u16,
}

impl PaletteStyle {
    /// Paints an image. Of colours that are as near the first is taken; without colours the steps remain.
    pub fn apply(&self, image: &RgbImage) -> RgbImage {
        let pixels = image.pixels();
        with_pixels(image, |place| {
            let channel = |channel: usize| self.step(pixels[3 * place + channel]);
            let colour = [channel(0), channel(1), channel(2)];
            let nearest = self.colours.iter().min_by_key(|known| distance(**known, colour));
            nearest.copied().unwrap_or(colour)
        })
    }

    /// Rounds a value to the nearest step, halves up.
    fn step(&self, value: u8) -> u8 {
        let last = u32::from(self.levels).clamp(2, 256) - 1;
        let step = (2 * u32::from(value) * last + 255) / 510;
        ((2 * step * 255 + last) / (2 * last)) as u8
    }
}

/// Square of the distance of two colours.
fn distance(one: [u8; 3], other: [u8; 3]) -> u32 {
    let squares = one
        .iter()
        .zip(&other)
        .map(|(a, b)| u32::from(a.abs_diff(*b)).pow(2));
    squares.sum()
}
