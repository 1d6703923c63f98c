//! From the bytes of an image to the picture that is encoded.

use mitune_diffusion::image::RgbImage;
use mitune_judges::preprocessing::resize_bilinear;

use super::fit::Fit;
use crate::ingest::images::error::ImageProblem;

/// Most pixels of an image, as many as 8192 x 4096 have: several are decoded at once, in up to 15 bytes for each pixel.
const MOST_PIXELS: u64 = 1 << 25;

/// Decodes an image, resizes it, crops it and mirrors it.
///
/// # Errors
/// Why it cannot be used.
pub(super) fn prepared(bytes: &[u8], digest: &blake3::Hash, fit: &Fit) -> Result<RgbImage, ImageProblem> {
    let image = RgbImage::decode_at_most(bytes, MOST_PIXELS)?;
    let placement = fit.place(digest, [image.height(), image.width()])?;
    let resized = resize_bilinear(&image, placement.resized, placement.kept)?;
    match placement.flipped {
        true => Ok(mirrored(&resized)?),
        false => Ok(resized),
    }
}

/// Checks that an image can be decoded and is large enough, without resizing it.
///
/// # Errors
/// Why it cannot be used.
pub(super) fn check(bytes: &[u8], digest: &blake3::Hash, fit: &Fit) -> Result<(), ImageProblem> {
    let image = RgbImage::decode_at_most(bytes, MOST_PIXELS)?;
    fit.place(digest, [image.height(), image.width()]).map(drop)
}

fn mirrored(image: &RgbImage) -> Result<RgbImage, ImageProblem> {
    let (pixels, _) = image.pixels().as_chunks::<3>();
    let lines = pixels.chunks_exact((image.width() as usize).max(1));
    let pixels = lines.flat_map(|line| line.iter().rev().flatten().copied());
    Ok(RgbImage::new(image.width(), image.height(), pixels.collect())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn left_and_right_change_places() {
        let image = RgbImage::new(3, 2, (0..18).collect()).unwrap();
        let expected = [6, 7, 8, 3, 4, 5, 0, 1, 2, 15, 16, 17, 12, 13, 14, 9, 10, 11];
        assert_eq!(mirrored(&image).unwrap().pixels(), expected);
    }
}
