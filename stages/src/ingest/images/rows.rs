//! The rows of a source of images, before anything is decided about them.

use super::place::ImagePlace;
use crate::ingest::prompts::InvalidPrompt;
use crate::ingest::prompts::clean::RawText;

/// A row as its source has it.
#[derive(Debug)]
pub(crate) struct SourceRow {
    /// Where it stands.
    pub(crate) at: RowPlace,
    /// Its prompt, not yet cleaned.
    pub(crate) caption: Caption,
    /// What it shows.
    pub(crate) images: RowImages,
    /// How much it counts, where the source says so.
    pub(crate) weight: Option<f64>,
}

/// The place of a row: which file of the source, from 0, and which row of it, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RowPlace {
    /// The file.
    pub(crate) file: usize,
    /// The row.
    pub(crate) row: u64,
}

/// The text of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Caption {
    /// Bytes that should be a text.
    Bytes(Vec<u8>),
    /// Nothing.
    Null,
    /// Something that is no text.
    Invalid(InvalidPrompt),
}

/// The images of a row.
#[derive(Debug)]
pub(crate) enum RowImages {
    /// One.
    One(GivenImage),
    /// Two, of which one is preferred.
    Pair {
        /// The one.
        winner: GivenImage,
        /// The other.
        loser: GivenImage,
    },
    /// Two of which none is preferred.
    Tie,
}

/// An image of a row.
#[derive(Debug)]
pub(crate) struct GivenImage {
    /// Where it is read again.
    pub(crate) place: ImagePlace,
    /// Its bytes, where the row came with them.
    pub(crate) bytes: Option<Vec<u8>>,
}

impl GivenImage {
    /// An image that is still to be read.
    pub(crate) fn at(place: ImagePlace) -> Self {
        Self { place, bytes: None }
    }

    /// An image that came with its row, or a place without one.
    pub(crate) fn read(place: ImagePlace, bytes: Option<Vec<u8>>) -> Self {
        match bytes {
            Some(bytes) => Self {
                place,
                bytes: Some(bytes),
            },
            None => Self::at(ImagePlace::Nowhere),
        }
    }
}

impl Caption {
    /// What cleaning takes.
    pub(crate) fn raw(&self) -> RawText<'_> {
        match self {
            Self::Bytes(bytes) => RawText::Bytes(bytes),
            Self::Null => RawText::Null,
            Self::Invalid(problem) => RawText::Invalid(*problem),
        }
    }
}
