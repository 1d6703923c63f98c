//! Reading image files: PNG, JPEG and WebP, as Pillow's `Image.open(file).convert("RGB")` does.
//!
//! Alpha is dropped rather than blended, of an animation the first frame is taken, an orientation in EXIF and colour
//! profiles are not applied, and greys of 16 bits are cut off at 255 where those of other images keep their upper half.

use std::io::Cursor;

use image_webp::WebPDecoder;
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

use crate::image::{ImageDamage, ImageError, RgbImage};

/// Most pixels of an image, 67 million: more than nearly every camera takes, and decoded below 1 GiB.
///
/// A file of some kilobytes may claim any number. Decoding takes at most 15 bytes for each pixel, which an animated
/// WebP with alpha needs; a JPEG takes up to 11, a PNG up to 7, and what is left in the end are 3.
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
        let most = most.min(MOST_PIXELS);
        match bytes {
            [0x89, b'P', b'N', b'G', ..] => from_png(bytes, most),
            [0xff, 0xd8, 0xff, ..] => from_jpeg(bytes, most),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => from_webp(bytes, most),
            other => Err(ImageError::Format { found: kind(other) }),
        }
    }

    /// Decodes any PNG.
    ///
    /// # Errors
    /// Those of [`RgbImage::decode`] for PNG files; other bytes cannot be decoded.
    pub fn from_png(bytes: &[u8]) -> Result<Self, ImageError> {
        from_png(bytes, MOST_PIXELS)
    }
}

fn from_png(bytes: &[u8], most: u64) -> Result<RgbImage, ImageError> {
    let decode = |source: png::DecodingError| undecodable("PNG", source);
    let mut decoder = png::Decoder::new(Cursor::new(bytes));
    let header = decoder.read_header_info().map_err(decode)?;
    check_size(header.width.into(), header.height.into(), most)?;
    let deep_grey =
        header.bit_depth == png::BitDepth::Sixteen && header.color_type == png::ColorType::Grayscale;
    decoder.set_transformations(match deep_grey {
        true => png::Transformations::IDENTITY,
        false => png::Transformations::EXPAND | png::Transformations::STRIP_16,
    });
    let mut reader = decoder.read_info().map_err(decode)?;
    let too_large = || decode(png::DecodingError::LimitsExceeded);
    let mut buffer = vec![0; reader.output_buffer_size().ok_or_else(too_large)?];
    let frame = reader.next_frame(&mut buffer).map_err(decode)?;
    buffer.truncate(frame.buffer_size());
    let pixels = match frame.color_type {
        png::ColorType::Grayscale if deep_grey => {
            let (greys, _) = buffer.as_chunks::<2>();
            let cut = |grey: &[u8; 2]| u8::try_from(u16::from_be_bytes(*grey)).unwrap_or(u8::MAX);
            greys.iter().flat_map(|grey| [cut(grey); 3]).collect()
        }
        png::ColorType::Grayscale => buffer.iter().flat_map(|grey| [*grey; 3]).collect(),
        png::ColorType::GrayscaleAlpha => buffer.iter().step_by(2).flat_map(|grey| [*grey; 3]).collect(),
        png::ColorType::Rgba => without_alpha(&buffer),
        png::ColorType::Rgb | png::ColorType::Indexed => buffer,
    };
    RgbImage::new(frame.width, frame.height, pixels)
}

fn from_jpeg(bytes: &[u8], most: u64) -> Result<RgbImage, ImageError> {
    let decode =
        |source: zune_jpeg::errors::DecodeErrors| undecodable("JPEG", ImageDamage::of_jpeg(bytes, &source));
    // Without strictness, as every reader of the files that people have.
    let options = DecoderOptions::default()
        .set_strict_mode(false)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(decode)?;
    let (width, height) = decoder.dimensions().unwrap_or_default();
    let (width, height) = check_size(width as u64, height as u64, most)?;
    // A file that was cut off decodes to an image whose end is grey.
    if !bytes.windows(2).rev().any(|pair| pair == [0xff, 0xd9]) {
        return Err(undecodable("JPEG", ImageDamage::Cut));
    }
    let pixels = decoder.decode().map_err(decode)?;
    RgbImage::new(width, height, pixels)
}

fn from_webp(bytes: &[u8], most: u64) -> Result<RgbImage, ImageError> {
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
    let pixels = match decoder.has_alpha() {
        true => without_alpha(&buffer),
        false => buffer,
    };
    RgbImage::new(width, height, pixels)
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

fn without_alpha(pixels: &[u8]) -> Vec<u8> {
    let (pixels, _) = pixels.as_chunks::<4>();
    let opaque = pixels
        .iter()
        .flat_map(|[red, green, blue, _]| [*red, *green, *blue]);
    opaque.collect()
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
