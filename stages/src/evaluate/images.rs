//! From candidates to judged images.

use super::measures::rows::{EvaluationRow, ImageRow, evaluate};
use crate::contract::StageError;
use crate::models::candidate_images::{CandidateImage, CandidateImageError, CandidateImages, OnlySize};
use crate::shapes::render::SIDE;

/// The images that can be judged.
pub(super) const READABLE: OnlySize = OnlySize {
    reader: "evaluate",
    of: "the shapes world",
    width: SIDE as u32,
    height: SIDE as u32,
};

/// Judges at most one batch of candidates, in their order.
pub(super) fn judge(
    candidates: &[CandidateImage],
    images: &CandidateImages<'_>,
) -> Result<Vec<EvaluationRow>, StageError> {
    let images = images
        .load(candidates)
        .map_err(CandidateImageError::into_stage_error)?;
    let rows: Vec<ImageRow<'_>> = candidates
        .iter()
        .zip(&images)
        .map(|(one, image)| ImageRow {
            prompt_id: &one.prompt_id,
            prompt: &one.prompt,
            seed_index: one.seed_index,
            pixels: image.pixels(),
        })
        .collect();
    evaluate(&rows).map_err(StageError::failed)
}
