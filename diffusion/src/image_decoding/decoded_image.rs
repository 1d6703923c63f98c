//! Images as their files have them, before alpha is dropped and values are cut off.

use std::borrow::Cow;

use crate::image::{ImageError, RgbImage};

/// The samples of an image in the mode that Pillow opens it in, as far as the mode changes what becomes of them.
///
/// Greys stand as three equal colours: resized or converted, they give what Pillow makes of its modes L and LA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Samples {
    /// Red, green and blue of each pixel, of Pillow's modes L and RGB.
    Rgb(Vec<u8>),
    /// The same of an image with a palette or one bit, modes P and 1, which are resized without mixing colours.
    Indexed(Vec<u8>),
    /// Red, green, blue and alpha of each pixel, of the modes LA and RGBA.
    Rgba(Vec<u8>),
    /// Cyan, magenta, yellow and black of each pixel, where 255 is all of it.
    Cmyk(Vec<u8>),
    /// Greys of 16 bits, mode I;16.
    DeepGrey(Vec<u16>),
}

/// What an image without samples of alpha says of transparent pixels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transparency {
    /// Nothing.
    None,
    /// Pixels of this colour are transparent.
    Colour([u8; 3]),
    /// An alpha for each pixel, from its palette.
    Alphas(Vec<u8>),
}

/// An image as its file has it, row by row from the top left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodedImage {
    width: u32,
    height: u32,
    samples: Samples,
    transparency: Transparency,
}

impl Samples {
    /// What Pillow's `convert("RGB")` makes of them.
    pub fn to_rgb(&self) -> Cow<'_, [u8]> {
        match self {
            Self::Rgb(pixels) | Self::Indexed(pixels) => Cow::Borrowed(pixels),
            Self::Rgba(pixels) => Cow::Owned(without_alpha(pixels)),
            Self::Cmyk(pixels) => Cow::Owned(without_black(pixels)),
            Self::DeepGrey(greys) => {
                let cut = |grey: &u16| [u8::try_from(*grey).unwrap_or(u8::MAX); 3];
                Cow::Owned(greys.iter().flat_map(cut).collect())
            }
        }
    }

    fn into_rgb(self) -> Vec<u8> {
        match self {
            Self::Rgb(pixels) | Self::Indexed(pixels) => pixels,
            other => other.to_rgb().into_owned(),
        }
    }

    fn found_and_channels(&self) -> (usize, u64) {
        match self {
            Self::Rgb(pixels) | Self::Indexed(pixels) => (pixels.len(), 3),
            Self::Rgba(pixels) | Self::Cmyk(pixels) => (pixels.len(), 4),
            Self::DeepGrey(greys) => (greys.len(), 1),
        }
    }
}

impl DecodedImage {
    /// Wraps samples.
    ///
    /// # Errors
    /// [`ImageError::Size`] when there are too few or too many, of the samples or of alphas beside them.
    pub fn new(
        width: u32,
        height: u32,
        samples: Samples,
        transparency: Transparency,
    ) -> Result<Self, ImageError> {
        let area = u64::from(width) * u64::from(height);
        let (found, channels) = samples.found_and_channels();
        let check = |found: usize, expected: u64| match found as u64 == expected {
            true => Ok(()),
            false => Err(ImageError::Size {
                width,
                height,
                expected,
                found: found as u64,
            }),
        };
        check(found, channels * area)?;
        if let Transparency::Alphas(alphas) = &transparency {
            check(alphas.len(), area)?;
        }
        Ok(Self {
            width,
            height,
            samples,
            transparency,
        })
    }

    /// An image in colours.
    pub fn from_rgb(image: &RgbImage) -> Self {
        Self {
            width: image.width(),
            height: image.height(),
            samples: Samples::Rgb(image.pixels().to_vec()),
            transparency: Transparency::None,
        }
    }

    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The samples.
    pub fn samples(&self) -> &Samples {
        &self.samples
    }

    /// Which pixels are transparent, where no sample says so.
    pub fn transparency(&self) -> &Transparency {
        &self.transparency
    }

    /// What Pillow's `convert("RGB")` makes of it.
    pub fn to_rgb(&self) -> RgbImage {
        RgbImage::of_fitting(self.width, self.height, self.samples.to_rgb().into_owned())
    }

    pub(crate) fn into_rgb(self) -> RgbImage {
        RgbImage::of_fitting(self.width, self.height, self.samples.into_rgb())
    }
}

/// Red, green and blue of pixels with alpha, which is dropped rather than blended.
pub(super) fn without_alpha(pixels: &[u8]) -> Vec<u8> {
    let (pixels, _) = pixels.as_chunks::<4>();
    let opaque = pixels
        .iter()
        .flat_map(|[red, green, blue, _]| [*red, *green, *blue]);
    opaque.collect()
}

/// Red, green and blue of inks.
fn without_black(pixels: &[u8]) -> Vec<u8> {
    let (pixels, _) = pixels.as_chunks::<4>();
    let colours = pixels.iter().flat_map(|[cyan, magenta, yellow, black]| {
        let light = 255 - *black;
        [cyan, magenta, yellow].map(|ink| light - product_of_shares(*ink, light))
    });
    colours.collect()
}

/// The product of two shares of 255, rounded, which is never above either of them.
fn product_of_shares(one: u8, other: u8) -> u8 {
    let product = u32::from(one) * u32::from(other) + 128;
    // The shifts are Pillow's division by 255.
    (((product >> 8) + product) >> 8) as u8
}
