//! What is wrong with the bytes of an image, in words of no decoder.

use std::io::{self, ErrorKind};

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
