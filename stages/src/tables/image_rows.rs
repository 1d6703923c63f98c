//! Images of candidates as tables hold them: encoded, or as latents that a model has yet to decode.

use arrow_array::{Array, BinaryArray, RecordBatch, StructArray};

use super::columns::ColumnError;
use super::latent_rows::{Latent, LatentError, LatentRows};

/// The columns an image and its name take.
pub(crate) const IMAGE_COLUMNS: [&str; 6] = [
    "prompt_id",
    "prompt",
    "seed_index",
    "latent",
    "latent_shape",
    "image",
];

/// What keys call the bytes of an encoded image.
pub(crate) const ENCODED: &str = "image";

/// The rows of a batch that has the columns [`IMAGE_COLUMNS`].
pub(crate) struct ImageRows<'a> {
    /// Names and latents.
    pub(crate) rows: LatentRows<'a>,
    /// The encoded images, null where a candidate has none.
    encoded: &'a BinaryArray,
}

/// What an image is made from.
pub(crate) enum ImageSource {
    Encoded(Vec<u8>),
    Latent(Latent),
}

impl ImageSource {
    /// Names what the image is made from by its kind and its content, wherever it came from.
    pub(crate) fn digest(&self) -> (&'static str, blake3::Hash) {
        match self {
            Self::Encoded(bytes) => (ENCODED, blake3::hash(bytes)),
            Self::Latent(latent) => {
                let mut hasher = blake3::Hasher::new();
                for extent in latent.shape {
                    hasher.update(&(extent as u64).to_le_bytes());
                }
                for value in &latent.values {
                    hasher.update(&value.to_le_bytes());
                }
                ("latent", hasher.finalize())
            }
        }
    }
}

impl<'a> ImageRows<'a> {
    pub(crate) fn of(batch: &'a RecordBatch) -> Result<Self, ColumnError> {
        Ok(Self {
            rows: LatentRows::of(batch)?,
            encoded: encoded_images(batch)?,
        })
    }

    /// Reads what the image of a row is made from: its bytes where there are any, else its latent.
    pub(crate) fn source(&self, row: usize) -> Result<ImageSource, LatentError> {
        match self.encoded.is_valid(row) {
            true => Ok(ImageSource::Encoded(self.encoded.value(row).to_vec())),
            false => self.rows.latent(row).map(ImageSource::Latent),
        }
    }
}

/// The column `image` of a batch that has it: encoded images, null where there is none.
pub(crate) fn encoded_images(batch: &RecordBatch) -> Result<&BinaryArray, ColumnError> {
    let column = &batch["image"];
    let bytes = column
        .as_any()
        .downcast_ref::<StructArray>()
        .and_then(|images| images.column_by_name("bytes"));
    match bytes.and_then(|bytes| bytes.as_any().downcast_ref::<BinaryArray>()) {
        // A null image has null bytes too, as every writer of the table leaves them.
        Some(bytes) => Ok(bytes),
        None => Err(ColumnError::Type {
            column: "image".to_owned(),
            found: column.data_type().to_string(),
            expected: "a struct with `bytes`",
        }),
    }
}
