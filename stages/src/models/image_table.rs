//! Tables whose rows have images, or latents that become images.

use arrow_array::types::UInt32Type;
use arrow_array::{Array, RecordBatch};
use mitune_store::{Artifact, Store};

use super::candidate_images::{CandidateImage, CandidateImageError};
use crate::contract::StageError;
use crate::tables::columns::{number_column, string_column};
use crate::tables::image_rows::{IMAGE_COLUMNS, ImageRows, ImageSource, encoded_images};
use crate::tables::latent_rows::{LATENT_COLUMNS, LatentRows};

/// What the rows of a table have of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ImageColumns {
    /// Latents, and images beside some of them: candidates.
    Both,
    /// Latents alone: a selection, or latents of given images.
    Latents,
    /// Images alone, which are no candidates.
    Images,
}

/// The columns that an image without a latent and its name take.
const ENCODED_COLUMNS: [&str; 4] = ["prompt_id", "prompt", "seed_index", "image"];

/// A row of a table of images that has none.
#[derive(Debug, thiserror::Error)]
#[error("Image `{seed_index}` of prompt `{prompt_id}` is null, and the table has no latents to decode")]
struct NoImage {
    prompt_id: String,
    seed_index: u32,
}

impl ImageColumns {
    /// Finds out what a table has.
    ///
    /// # Errors
    /// An error of the store.
    pub(crate) fn of(store: &Store, table: &Artifact) -> Result<Self, StageError> {
        let reader = store.artifacts().read_table(table, None)?;
        let has = |name: &str| reader.schema().field_with_name(name).is_ok();
        Ok(match (has("image"), has("latent")) {
            (true, true) => Self::Both,
            (true, false) => Self::Images,
            (false, _) => Self::Latents,
        })
    }

    /// The columns that are read.
    pub(crate) fn names(self) -> &'static [&'static str] {
        match self {
            Self::Both => &IMAGE_COLUMNS,
            Self::Latents => &LATENT_COLUMNS,
            Self::Images => &ENCODED_COLUMNS,
        }
    }

    /// Reads what the image of a row is made from.
    ///
    /// # Errors
    /// [`StageError::Failed`] if the row has neither image nor latent, or columns are not what they should be.
    pub(crate) fn read(self, batch: &RecordBatch, row: usize) -> Result<CandidateImage, StageError> {
        match self {
            Self::Both => {
                let images = ImageRows::of(batch).map_err(CandidateImageError::from);
                let candidate = images.and_then(|images| CandidateImage::of_row(&images, row));
                candidate.map_err(StageError::failed)
            }
            Self::Latents => latent(batch, row),
            Self::Images => encoded(batch, row),
        }
    }
}

fn latent(batch: &RecordBatch, row: usize) -> Result<CandidateImage, StageError> {
    let rows = LatentRows::of(batch).map_err(StageError::failed)?;
    Ok(CandidateImage {
        prompt_id: rows.prompt_id(row).to_owned(),
        prompt: rows.prompt(row).to_owned(),
        seed_index: rows.seed_index(row),
        source: ImageSource::Latent(rows.latent(row).map_err(StageError::failed)?),
    })
}

fn encoded(batch: &RecordBatch, row: usize) -> Result<CandidateImage, StageError> {
    let images = encoded_images(batch).map_err(StageError::failed)?;
    let prompt_ids = string_column(batch, "prompt_id").map_err(StageError::failed)?;
    let prompts = string_column(batch, "prompt").map_err(StageError::failed)?;
    let seed_indices = number_column::<UInt32Type>(batch, "seed_index").map_err(StageError::failed)?;
    let (prompt_id, seed_index) = (prompt_ids.value(row), seed_indices.value(row));
    if !images.is_valid(row) {
        let prompt_id = prompt_id.to_owned();
        return Err(StageError::failed(NoImage {
            prompt_id,
            seed_index,
        }));
    }
    Ok(CandidateImage {
        prompt_id: prompt_id.to_owned(),
        prompt: prompts.value(row).to_owned(),
        seed_index,
        source: ImageSource::Encoded(images.value(row).to_vec()),
    })
}
