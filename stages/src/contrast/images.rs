//! The images of a selection.

use mitune_store::{Artifact, Store};

use crate::contract::StageError;
use crate::tables::latent_rows::{LATENT_COLUMNS, Latent, LatentRows};

/// An image of a prompt.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Image {
    pub(super) prompt_id: String,
    pub(super) prompt: String,
    pub(super) seed_index: u32,
    pub(super) latent: Latent,
}

impl Image {
    /// What the image is, wherever it stands: that by which images are ordered.
    pub(super) fn name(&self) -> (&str, &str, u32) {
        (&self.prompt, &self.prompt_id, self.seed_index)
    }

    /// Whether the image can stand in place of another one, as a mismatch of its prompt.
    pub(super) fn contrasts_with(&self, other: &Self) -> bool {
        self.prompt != other.prompt && self.latent.shape == other.latent.shape
    }
}

/// Reads all images, in the order of the table.
pub(super) fn read_images(store: &Store, table: &Artifact) -> Result<Vec<Image>, StageError> {
    let mut images = Vec::new();
    for batch in store.artifacts().read_table(table, Some(&LATENT_COLUMNS))? {
        let batch = batch?;
        let rows = LatentRows::of(&batch).map_err(StageError::failed)?;
        for row in 0..batch.num_rows() {
            images.push(Image {
                prompt_id: rows.prompt_id(row).to_owned(),
                prompt: rows.prompt(row).to_owned(),
                seed_index: rows.seed_index(row),
                latent: rows.latent(row).map_err(StageError::failed)?,
            });
        }
    }
    Ok(images)
}
