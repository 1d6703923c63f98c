//! Images of their prompts: selected candidates, or latents of given images.

use arrow_array::RecordBatch;
use mitune_diffusion::training::ConditionedBatch;
use mitune_store::{Artifact, Store};

use super::{Example, Examples, ExamplesError, Prompts};
use crate::contract::StageError;
use crate::finetune::batches::DrawnBatch;
use crate::finetune::prompt_rows::PromptRows;
use crate::tables::latent_rows::{Latent, LatentRows};

/// A column that a selection has and a table of given images has not.
const OF_SELECTIONS: &str = "rank";

/// An image with the prompt it is of.
pub(in crate::finetune) struct CaptionedImage {
    pub(super) latent: Latent,
    /// The prompt's place.
    pub(super) prompt: usize,
}

/// Reads the union of tables, in their order; what is in two of them counts twice.
///
/// Candidates of a selection have one size, and another one is damage; given images may have several, and selections
/// one each.
pub(in crate::finetune) fn read(
    store: &Store,
    tables: &[&Artifact],
) -> Result<Examples<CaptionedImage>, StageError> {
    let mut examples = Examples {
        items: Vec::new(),
        prompts: Prompts::default(),
    };
    for table in tables {
        let before = examples.items.len();
        for batch in store.artifacts().read_table(table, None)? {
            examples.add(&batch?, before)?;
        }
    }
    match examples.items.is_empty() {
        true => Err(StageError::configuration(ExamplesError::Empty)),
        false => Ok(examples),
    }
}

impl Examples<CaptionedImage> {
    /// Adds the rows of a table whose first image is, or will be, at this place.
    fn add(&mut self, batch: &RecordBatch, first: usize) -> Result<(), StageError> {
        let rows = LatentRows::of(batch).map_err(StageError::failed)?;
        let of_one_size = batch.column_by_name(OF_SELECTIONS).is_some();
        for row in 0..batch.num_rows() {
            let latent = rows.latent(row).map_err(StageError::failed)?;
            let expected = self.items.get(first).filter(|_| of_one_size);
            let expected = expected.map(|image| image.latent.shape);
            latent
                .check_shape(expected, (rows.prompt_id(row), rows.seed_index(row)))
                .map_err(StageError::failed)?;
            let prompt = self.prompts.place(rows.prompt(row));
            self.items.push(CaptionedImage { latent, prompt });
        }
        Ok(())
    }
}

impl CaptionedImage {
    /// The images with their prompts, noised.
    pub(super) fn noised<'i, C: PromptRows>(
        images: impl Iterator<Item = &'i Self> + Clone,
        drawn: &DrawnBatch<'_, C>,
    ) -> ConditionedBatch<C> {
        let conditioning = drawn.conditioning(images.clone().map(|image| image.prompt));
        drawn.noised(images.map(|image| &image.latent), conditioning)
    }
}

impl Example for CaptionedImage {
    type Batch<C> = ConditionedBatch<C>;

    fn shape(&self) -> [usize; 3] {
        self.latent.shape
    }

    fn prompts(&self) -> Vec<usize> {
        vec![self.prompt]
    }

    fn batch<C: PromptRows>(chosen: &[&Self], drawn: &DrawnBatch<'_, C>) -> Self::Batch<C> {
        Self::noised(chosen.iter().copied(), drawn)
    }
}
