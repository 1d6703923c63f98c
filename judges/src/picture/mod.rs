//! Images as Pillow opens them: what a judge's preprocessing begins with.

mod white_background;

use std::borrow::Cow;

use mitune_diffusion::image::{ImageError, RgbImage};
use mitune_diffusion::image_decoding::{DecodedImage, MOST_PIXELS, Samples};

/// An image with the samples of its file, for the mode decides how it is resized.
///
/// Alpha is there until a judge drops it, a palette is resized without mixing its colours, and greys of 16 bits keep all
/// of them. An orientation in EXIF is not applied: no judge's reference does.
#[derive(Debug, Clone)]
pub struct Picture {
    image: DecodedImage,
}

impl Picture {
    /// Decodes a PNG, JPEG or WebP by its first bytes.
    ///
    /// # Errors
    /// Those of [`RgbImage::decode`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ImageError> {
        Self::decode_at_most(bytes, MOST_PIXELS)
    }

    /// As [`Picture::decode`], for whoever can do with few pixels only.
    ///
    /// # Errors
    /// Those of [`RgbImage::decode_at_most`].
    pub fn decode_at_most(bytes: &[u8], most_pixels: u64) -> Result<Self, ImageError> {
        DecodedImage::decode_at_most(bytes, most_pixels).map(Self::from)
    }

    /// A picture of 8-bit colours, such as a generated image.
    pub fn from_rgb(image: &RgbImage) -> Self {
        Self::from(DecodedImage::from_rgb(image))
    }

    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.image.width()
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.image.height()
    }

    /// What Pillow's `convert("RGB")` makes of it.
    pub fn to_rgb(&self) -> RgbImage {
        self.image.to_rgb()
    }

    pub(crate) fn samples(&self) -> &Samples {
        self.image.samples()
    }

    /// The bytes of [`Picture::to_rgb`].
    pub(crate) fn rgb(&self) -> Cow<'_, [u8]> {
        self.image.samples().to_rgb()
    }

    /// Red, green and blue, with what is transparent blended onto white.
    pub(crate) fn rgb_on_white(&self) -> Cow<'_, [u8]> {
        white_background::rgb(self.image.samples(), self.image.transparency())
    }
}

impl From<DecodedImage> for Picture {
    fn from(image: DecodedImage) -> Self {
        Self { image }
    }
}

#[cfg(test)]
mod tests;
