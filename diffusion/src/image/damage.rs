//! What is wrong with the bytes of an image, in words of no decoder.

use std::io::{self, ErrorKind};

use zune_jpeg::errors::DecodeErrors;

/// Why a file that begins as an image cannot be decoded.
///
/// Decoders speak of chunks and tables of codes, from which nobody learns what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ImageDamage {
    /// It ends too early.
    #[error("The file ends before the image does; get it again")]
    Cut,
    /// Its bytes contradict each other.
    #[error("The file is damaged; get it again")]
    Damaged,
    /// It may be whole, but is written in a way that hardly any program writes.
    #[error("It is written in a rare way that is not read; save it anew with a common program")]
    Rare,
    /// It asks for more memory than its pixels need.
    #[error("It asks for more memory than its pixels need, as damaged files do; get it again")]
    Greedy,
}

impl ImageDamage {
    /// What the decoder stumbled over in a JPEG; of coding that it does not know it says no more than of damage.
    pub(crate) fn of_jpeg(bytes: &[u8], error: &DecodeErrors) -> Self {
        match error {
            _ if is_rare_jpeg(bytes) => Self::Rare,
            // Bytes in memory end, and nothing else.
            DecodeErrors::ExhaustedData | DecodeErrors::IoErrors(_) => Self::Cut,
            _ => Self::Damaged,
        }
    }

    fn of_reading(error: &io::Error) -> Self {
        match error.kind() {
            ErrorKind::UnexpectedEof => Self::Cut,
            _ => Self::Damaged,
        }
    }
}

impl From<png::DecodingError> for ImageDamage {
    fn from(error: png::DecodingError) -> Self {
        match error {
            png::DecodingError::IoError(error) => Self::of_reading(&error),
            png::DecodingError::LimitsExceeded => Self::Greedy,
            _ => Self::Damaged,
        }
    }
}

impl From<image_webp::DecodingError> for ImageDamage {
    fn from(error: image_webp::DecodingError) -> Self {
        match error {
            image_webp::DecodingError::IoError(error) => Self::of_reading(&error),
            image_webp::DecodingError::UnsupportedFeature(_) => Self::Rare,
            image_webp::DecodingError::MemoryLimitExceeded | image_webp::DecodingError::ImageTooLarge => {
                Self::Greedy
            }
            _ => Self::Damaged,
        }
    }
}

/// Whether a JPEG is coded without loss, in differences or by arithmetic, or has colours of 12 bits.
fn is_rare_jpeg(bytes: &[u8]) -> bool {
    let mut rest = bytes.get(2..).unwrap_or_default();
    while let [0xff, marker, high, low, bits, ..] = *rest {
        match marker {
            0xc0..=0xc2 => return bits != 8,
            0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => return true,
            _ => {}
        }
        let length = usize::from(u16::from_be_bytes([high, low]));
        rest = rest.get(2 + length..).unwrap_or_default();
    }
    false
}
