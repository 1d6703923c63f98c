//! The candidates of the stage: named by their content and cut into blocks, and read again where they are judged.

use std::ops::Range;

use mitune_store::{FamilyKey, ItemKey};

use crate::contract::{KeyIngredients, StageContext, StageError};
use crate::items::candidate_blocks::{NamedCandidate, candidate_blocks};
use crate::items::item_blocks::Block;
use crate::items::row_reader::RowReader;
use crate::models::candidate_images::{CandidateImage, CandidateImageError};
use crate::tables::image_rows::{IMAGE_COLUMNS, ImageRows};

/// Reads all candidates once, and groups those of one prompt whose seed indices belong to one batch.
pub(super) fn blocks(
    context: &StageContext<'_>,
    family: &FamilyKey,
    batch_size: u32,
    check_prompt: impl Fn(&str) -> Result<(), StageError>,
) -> Result<Vec<Block<Range<u64>>>, StageError> {
    let mut names = Vec::new();
    let mut checked: Option<String> = None;
    let table = context.input("candidates")?;
    for batch in context
        .store()
        .artifacts()
        .read_table(table, Some(&IMAGE_COLUMNS))?
    {
        for candidate in CandidateImage::of_batch(&batch?).map_err(StageError::failed)? {
            let item = item(family, &candidate)?;
            if checked.as_ref() != Some(&candidate.prompt) {
                check_prompt(&candidate.prompt)?;
                checked = Some(candidate.prompt);
            }
            names.push(NamedCandidate {
                prompt_id: candidate.prompt_id,
                seed_index: candidate.seed_index,
                item,
            });
        }
    }
    Ok(candidate_blocks(names, batch_size))
}

/// Names a candidate by its prompt, its seed index and the bytes of its image, or the latent that becomes one, wherever
/// it came from.
fn item(family: &FamilyKey, candidate: &CandidateImage) -> Result<ItemKey, StageError> {
    let (kind, digest) = candidate.source.digest();
    let digest = digest.to_hex();
    let named = (
        candidate.prompt.as_str(),
        candidate.seed_index,
        kind,
        digest.as_str(),
    );
    Ok(KeyIngredients::item_key(family, &named)?)
}

/// Opens the candidates, to be read by their rows.
pub(super) fn open<'a>(context: &'a StageContext<'_>) -> Result<RowReader<'a>, StageError> {
    RowReader::open(context.store(), context.input("candidates")?, &IMAGE_COLUMNS)
}

/// Reads the candidates of rows.
pub(super) fn read(
    candidates: &mut RowReader<'_>,
    wanted: &Range<u64>,
) -> Result<Vec<CandidateImage>, StageError> {
    candidates.read(wanted, |batch, row| {
        let candidate = ImageRows::of(batch)
            .map_err(CandidateImageError::from)
            .and_then(|images| CandidateImage::of_row(&images, row));
        candidate.map_err(StageError::failed)
    })
}
