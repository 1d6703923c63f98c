//! Resizing of 8-bit colours for training, as torchvision does it with images of Pillow.

use std::ops::Range;

use mitune_diffusion::image::{ImageError, RgbImage};

use super::geometry::Axis;
use super::pillow;

/// Resizes to `resized` rows and columns as Pillow's `resize(.., BILINEAR)` does, and keeps a part of the result.
///
/// `kept` are rows and columns inside of `resized`; what is not kept is not computed, so that a crop costs no more than a
/// small image. The bytes are those of resizing everything first. An image that has the size already is only cropped.
///
/// # Errors
/// [`ImageError`] if `kept` holds more pixels than an image can have.
pub fn resize_bilinear(
    image: &RgbImage,
    resized: [usize; 2],
    kept: [Range<usize>; 2],
) -> Result<RgbImage, ImageError> {
    debug_assert!(
        kept.iter()
            .zip(resized)
            .all(|(kept, resized)| kept.end <= resized)
    );
    let axis = |input: u32, resized: usize, window: &Range<usize>| Axis {
        window: window.clone(),
        length: window.len(),
        ..Axis::whole(input as usize, resized)
    };
    let rows = axis(image.height(), resized[0], &kept[0]);
    let columns = axis(image.width(), resized[1], &kept[1]);
    let pixels = pillow::resize_rgb_bilinear(image.pixels(), [&rows, &columns]);
    // Sides that do not fit into 32 bits have another number of pixels then, which is the error.
    RgbImage::new(columns.length as u32, rows.length as u32, pixels)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Golden {
        cases: Vec<Case>,
    }

    /// What torchvision makes of the picture of a formula.
    #[derive(Deserialize)]
    struct Case {
        width: usize,
        height: usize,
        resized: [usize; 2],
        first: [usize; 2],
        side: usize,
        checksum: u32,
        line: Vec<u8>,
    }

    /// The picture that the exporter makes of the same formula.
    fn formula(width: usize, height: usize) -> RgbImage {
        let pixels = (0..height).flat_map(|y| {
            (0..width).flat_map(move |x| {
                (0..3).map(move |c| ((x * 7 + y * 13 + c * 50 + x * y * (c + 1)) % 256) as u8)
            })
        });
        RgbImage::new(width as u32, height as u32, pixels.collect()).unwrap()
    }

    fn adler(bytes: &[u8]) -> u32 {
        let (low, high) = bytes.iter().fold((1_u32, 0_u32), |(low, high), byte| {
            let low = (low + u32::from(*byte)) % 65_521;
            (low, (high + low) % 65_521)
        });
        (high << 16) | low
    }

    #[test]
    fn crops_of_resized_pictures_are_those_of_torchvision() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/bilinear.json");
        let golden: Golden = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        assert!(golden.cases.len() > 10);
        for case in golden.cases {
            let kept = case.first.map(|first| first..first + case.side);
            let image = formula(case.width, case.height);
            let found = resize_bilinear(&image, case.resized, kept).unwrap();
            let label = format!("{} x {} to {:?}", case.width, case.height, case.resized);
            assert_eq!(found.pixels()[..case.line.len()], case.line, "{label}");
            assert_eq!(adler(found.pixels()), case.checksum, "{label}");
        }
    }

    #[test]
    fn a_picture_of_the_right_size_is_only_cropped() {
        let image = formula(5, 4);
        let found = resize_bilinear(&image, [4, 5], [1..3, 2..4]).unwrap();
        let at = |row: usize, column: usize| &image.pixels()[3 * (row * 5 + column)..][..6];
        assert_eq!(found.pixels(), [at(1, 2), at(2, 2)].concat());
    }
}
