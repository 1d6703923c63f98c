//! JPEG as libjpeg-turbo decodes it with its defaults, to the bit, which is what Pillow opens.
//!
//! Scores of a network change in their second digit with another rounding of colours, so an image must be the one that
//! the references see. Most decoders transform, upsample and convert in arithmetic of their own; the one crate that
//! aims at these numbers, libjpeg-turbo-rs, brings an encoder, C interfaces and vector code. Read are baseline,
//! extended and progressive files of 8 bits in Huffman codes. Where libjpeg only warns of damage and goes on, so does
//! this, without the promise of equal values; nor does it smooth progressive files that lack their last scans.

mod bit_reader;
mod colour;
mod frame;
mod huffman_table;
mod inverse_transform;
mod planes;
mod progressive;
mod scan;
mod segments;
mod sequential;
mod settings;
mod standard_tables;
mod upsampling;

use crate::image::{ImageDamage, ImageError};

use super::decoded_image::{DecodedImage, Transparency};
use super::{check_size, undecodable};
use frame::{Frame, is_read_frame, is_unread_frame};
use planes::Picture;
use scan::Scan;
use segments::{END_OF_IMAGE, START_OF_SCAN, Segments};
use settings::Settings;

/// Most scans of a file: each may go over every block, and a megabyte could hold a hundred thousand of them.
///
/// One for every bit of every coefficient of every component would be fewer.
const MOST_SCANS: usize = 4000;

/// Decodes a JPEG of at most so many pixels.
///
/// # Errors
/// [`ImageError::TooLarge`] before memory is taken, [`ImageError::Decode`] for what is cut off, damaged or rare.
pub(super) fn decode(bytes: &[u8], most: u64) -> Result<DecodedImage, ImageError> {
    let broken = |damage: ImageDamage| undecodable("JPEG", damage);
    let mut segments = Segments::new(bytes);
    let mut settings = Settings::default();
    let frame = read_frame(&mut segments, &mut settings).map_err(broken)?;
    let (width, height) = check_size(frame.width as u64, frame.height as u64, most)?;
    // Whoever reads scan by scan learns of the missing end after all the work.
    if !bytes.windows(2).rev().any(|pair| pair == [0xff, END_OF_IMAGE]) {
        return Err(broken(ImageDamage::Cut));
    }
    let picture = read_scans(bytes, &mut segments, &mut settings, &frame).map_err(broken)?;
    let samples = colour::samples(&frame, &settings, &picture.into_planes(&frame));
    DecodedImage::new(width, height, samples, Transparency::None)
}

/// Reads up to the head of the frame.
fn read_frame(segments: &mut Segments<'_>, settings: &mut Settings) -> Result<Frame, ImageDamage> {
    loop {
        match segments.next_marker()? {
            marker if is_read_frame(marker) => return Frame::read(marker, segments.payload()?),
            marker if is_unread_frame(marker) => return Err(ImageDamage::Rare),
            START_OF_SCAN | END_OF_IMAGE => return Err(ImageDamage::Damaged),
            marker => settings.read(marker, segments)?,
        }
    }
}

/// Reads every scan up to the end of the image.
fn read_scans(
    bytes: &[u8],
    segments: &mut Segments<'_>,
    settings: &mut Settings,
    frame: &Frame,
) -> Result<Picture, ImageDamage> {
    let mut picture = Picture::new(frame);
    let mut scans = 0;
    loop {
        match segments.next_marker()? {
            START_OF_SCAN if scans == MOST_SCANS => return Err(ImageDamage::Greedy),
            START_OF_SCAN => {
                let scan = Scan::read(segments.payload()?, frame)?;
                let position = picture.read_scan(bytes, segments.position(), settings, frame, &scan)?;
                segments.continue_at(position);
                scans += 1;
            }
            END_OF_IMAGE if scans == 0 => return Err(ImageDamage::Damaged),
            END_OF_IMAGE => return Ok(picture),
            marker if is_read_frame(marker) || is_unread_frame(marker) => return Err(ImageDamage::Damaged),
            marker => settings.read(marker, segments)?,
        }
    }
}

#[cfg(test)]
mod tests;
