//! Reading image files: PNG, JPEG and WebP, as Pillow's `Image.open(file)` does, and its `convert("RGB")`.
//!
//! Of an animation the first frame is taken; an orientation in EXIF and colour profiles are not applied. A
//! [`DecodedImage`] has what the file has. In an [`RgbImage`] alpha is dropped rather than blended, and greys of 16 bits
//! are cut off at 255 where those of other images keep their upper half.

mod decoded_image;
mod jpeg;

use std::io::Cursor;

use image_webp::WebPDecoder;

use crate::image::{ImageDamage, ImageError, RgbImage};

use decoded_image::without_alpha;
pub use decoded_image::{DecodedImage, Samples, Transparency};

/// Most pixels of an image, 67 million: more than nearly every camera takes, and decoded below 1 GiB.
///
/// A file of some kilobytes may claim any number. Decoding takes at most 15 bytes for each pixel, which an animated
/// WebP with alpha needs; a JPEG takes up to 12, a PNG up to 8, and what is left in the end are 3.
pub const MOST_PIXELS: u64 = 1 << 26;

/// Kinds of image files that are told but not read, by how they begin.
const OTHERS: [(&[u8], &str); 9] = [
    (b"GIF8", "a GIF"),
    (b"BM", "a BMP"),
    (b"II*\0", "a TIFF"),
    (b"MM\0*", "a TIFF"),
    (b"\0\0\x01\0", "an icon"),
    (b"\xff\x0a", "a JPEG XL"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL"),
    (
        b"version https://git-lfs",
        "what Git keeps in place of a large file (`git lfs pull` fetches it)",
    ),
    (b"<", "a text such as a web page or an SVG"),
];

impl RgbImage {
    /// Decodes an image file by its first bytes, whatever its name says.
    ///
    /// # Errors
    /// [`ImageError::Format`] for other kinds of files, [`ImageError::TooLarge`] before memory is taken for more than
    /// [`MOST_PIXELS`], [`ImageError::Decode`] for a damaged or truncated file.
    pub fn decode(bytes: &[u8]) -> Result<Self, ImageError> {
        Self::decode_at_most(bytes, MOST_PIXELS)
    }

    /// As [`RgbImage::decode`], for whoever computes with the image and can do so with few pixels only.
    ///
    /// # Errors
    /// Those of [`RgbImage::decode`], and [`ImageError::TooLarge`] for more than `most` pixels, which the head of the
    /// file tells.
    pub fn decode_at_most(bytes: &[u8], most: u64) -> Result<Self, ImageError> {
        DecodedImage::decode_at_most(bytes, most).map(DecodedImage::into_rgb)
    }

    /// Decodes any PNG.
    ///
    /// # Errors
    /// Those of [`RgbImage::decode`] for PNG files; other bytes cannot be decoded.
    pub fn from_png(bytes: &[u8]) -> Result<Self, ImageError> {
        from_png(bytes, MOST_PIXELS).map(DecodedImage::into_rgb)
    }
}

impl DecodedImage {
    /// As [`RgbImage::decode_at_most`], with everything that Pillow opens of the file.
    ///
    /// # Errors
    /// Those of [`RgbImage::decode_at_most`].
    pub fn decode_at_most(bytes: &[u8], most: u64) -> Result<Self, ImageError> {
        let most = most.min(MOST_PIXELS);
        match bytes {
            [0x89, b'P', b'N', b'G', ..] => from_png(bytes, most),
            [0xff, 0xd8, 0xff, ..] => jpeg::decode(bytes, most),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => from_webp(bytes, most),
            other => Err(ImageError::Format { found: kind(other) }),
        }
    }
}

fn from_png(bytes: &[u8], most: u64) -> Result<DecodedImage, ImageError> {
    let decode = |source: png::DecodingError| undecodable("PNG", source);
    let mut decoder = png::Decoder::new(Cursor::new(bytes));
    let header = decoder.read_header_info().map_err(decode)?;
    check_size(header.width.into(), header.height.into(), most)?;
    let (colour, depth) = (header.color_type, header.bit_depth);
    let deep_grey = depth == png::BitDepth::Sixteen && colour == png::ColorType::Grayscale;
    decoder.set_transformations(match deep_grey {
        true => png::Transformations::IDENTITY,
        false => png::Transformations::EXPAND | png::Transformations::STRIP_16,
    });
    let mut reader = decoder.read_info().map_err(decode)?;
    let too_large = || decode(png::DecodingError::LimitsExceeded);
    let mut buffer = vec![0; reader.output_buffer_size().ok_or_else(too_large)?];
    let frame = reader.next_frame(&mut buffer).map_err(decode)?;
    buffer.truncate(frame.buffer_size());
    let transparency = match (&reader.info().trns, frame.color_type) {
        (Some(_), png::ColorType::Rgba) if colour == png::ColorType::Indexed => {
            Transparency::Alphas(buffer.iter().skip(3).step_by(4).copied().collect())
        }
        (Some(key), _) => transparent_colour(key, colour, depth),
        (None, _) => Transparency::None,
    };
    let is_indexed = colour == png::ColorType::Indexed || depth == png::BitDepth::One;
    let samples = match frame.color_type {
        png::ColorType::Grayscale if deep_grey => {
            let (greys, _) = buffer.as_chunks::<2>();
            Samples::DeepGrey(greys.iter().map(|grey| u16::from_be_bytes(*grey)).collect())
        }
        // The alphas of a transparent colour or of a palette are no samples.
        png::ColorType::GrayscaleAlpha if colour == png::ColorType::Grayscale => {
            Samples::Rgb(buffer.iter().step_by(2).flat_map(|grey| [*grey; 3]).collect())
        }
        png::ColorType::Rgba if colour != png::ColorType::Rgba => Samples::Rgb(without_alpha(&buffer)),
        png::ColorType::Grayscale => Samples::Rgb(buffer.iter().flat_map(|grey| [*grey; 3]).collect()),
        png::ColorType::GrayscaleAlpha => {
            let (pixels, _) = buffer.as_chunks::<2>();
            let with_alpha = |[grey, alpha]: &[u8; 2]| [*grey, *grey, *grey, *alpha];
            Samples::Rgba(pixels.iter().flat_map(with_alpha).collect())
        }
        png::ColorType::Rgba => Samples::Rgba(buffer),
        png::ColorType::Rgb | png::ColorType::Indexed => Samples::Rgb(buffer),
    };
    let samples = match samples {
        Samples::Rgb(pixels) if is_indexed => Samples::Indexed(pixels),
        other => other,
    };
    DecodedImage::new(frame.width, frame.height, samples, transparency)
}

/// The colour that a PNG calls transparent, as Pillow compares it: the lower halves with colours of 8 bits.
fn transparent_colour(key: &[u8], colour: png::ColorType, depth: png::BitDepth) -> Transparency {
    let each = if depth == png::BitDepth::Sixteen { 2 } else { 1 };
    let low = |channel: usize| key.get((channel + 1) * each - 1).copied();
    match (colour, low(0), low(1), low(2)) {
        (png::ColorType::Grayscale, Some(low), _, _) => Transparency::Colour(match (depth, low) {
            (png::BitDepth::One, 1..) => [u8::MAX; 3],
            _ => [low; 3],
        }),
        (png::ColorType::Rgb, Some(red), Some(green), Some(blue)) => Transparency::Colour([red, green, blue]),
        _ => Transparency::None,
    }
}

fn from_webp(bytes: &[u8], most: u64) -> Result<DecodedImage, ImageError> {
    let decode = |source: image_webp::DecodingError| undecodable("WebP", source);
    let mut decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(decode)?;
    let (width, height) = decoder.dimensions();
    check_size(width.into(), height.into(), most)?;
    decoder.set_memory_limit(usize::try_from(16 * MOST_PIXELS).unwrap_or(usize::MAX));
    let length = decoder.output_buffer_size().unwrap_or_default();
    let mut buffer = vec![0; length];
    match decoder.is_animated() {
        true => decoder.read_frame(&mut buffer).map(drop),
        false => decoder.read_image(&mut buffer),
    }
    .map_err(decode)?;
    let samples = match decoder.has_alpha() {
        true => Samples::Rgba(buffer),
        false => Samples::Rgb(buffer),
    };
    DecodedImage::new(width, height, samples, Transparency::None)
}

fn undecodable(format: &'static str, source: impl Into<ImageDamage>) -> ImageError {
    ImageError::Decode {
        format,
        source: source.into(),
    }
}

/// The sides of an image, if it is not too large.
fn check_size(width: u64, height: u64, most: u64) -> Result<(u32, u32), ImageError> {
    let sides = u32::try_from(width).ok().zip(u32::try_from(height).ok());
    match sides {
        Some(sides) if width.saturating_mul(height) <= most => Ok(sides),
        _ => Err(ImageError::TooLarge {
            width,
            height,
            limit: most,
        }),
    }
}

fn kind(bytes: &[u8]) -> &'static str {
    if bytes.is_empty() {
        return "an empty file";
    }
    if let [_, _, _, _, b'f', b't', b'y', b'p', brand @ ..] = bytes {
        return match brand {
            [b'a', b'v', b'i', ..] => "an AVIF",
            _ => "a HEIC or another film of one frame",
        };
    }
    let known = OTHERS.iter().find(|(start, _)| bytes.starts_with(start));
    known.map_or("no image that is known", |(_, name)| name)
}

#[cfg(test)]
mod tests;
