//! Deterministic styles for images: pure filters in whole numbers and f64, the same on every machine.
//!
//! They stand in for styled sets that cannot be had: like these, they keep what an image shows and change how.

mod blur_and_snow;
mod edge_sketch;
mod palette;
#[cfg(test)]
mod tests;

pub use blur_and_snow::{BlurAndSnow, Flake};
pub use edge_sketch::EdgeSketch;
pub use palette::{COLOURS, PaletteStyle};

use mitune_diffusion::image::RgbImage;

/// An image of the same size with other pixels.
fn with_pixels(image: &RgbImage, pixel: impl FnMut(usize) -> [u8; 3]) -> RgbImage {
    let (width, height) = (image.width(), image.height());
    let count = width as usize * height as usize;
    let pixels: Vec<u8> = (0..count).flat_map(pixel).collect();
    // There are three bytes for each pixel.
    RgbImage::new(width, height, pixels).unwrap_or_else(|_| image.clone())
}

/// A number of 0..255 as a byte, rounded to the nearest and to the even one of two that are as near.
fn to_byte(value: f64) -> u8 {
    value.clamp(0.0, 255.0).round_ties_even() as u8
}
