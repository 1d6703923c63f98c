//! Features as rows of their table.

use std::sync::Arc;

use arrow_array::builder::{Float32Builder, ListBuilder};
use arrow_array::{ArrayRef, RecordBatch, StringArray, UInt32Array};
use arrow_schema::ArrowError;
use mitune_judges::clip_judges::EmbeddedPair;

use crate::models::candidate_images::CandidateImage;
use crate::tables::schema;

/// Builds a batch of the table `features`.
pub(super) fn batch(images: &[CandidateImage], embedded: &[EmbeddedPair]) -> Result<RecordBatch, ArrowError> {
    let prompt_ids = images.iter().map(|image| &image.prompt_id);
    let seed_indices = images.iter().map(|image| image.seed_index);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(prompt_ids)),
        Arc::new(UInt32Array::from_iter_values(seed_indices)),
        lists(embedded.iter().map(|pair| pair.image.as_slice())),
        lists(embedded.iter().map(|pair| pair.prompt.as_slice())),
    ];
    RecordBatch::try_new(schema::features(), columns)
}

fn lists<'f>(features: impl Iterator<Item = &'f [f32]>) -> ArrayRef {
    let mut lists = ListBuilder::new(Float32Builder::new());
    for row in features {
        lists.append_value(row.iter().copied().map(Some));
    }
    Arc::new(lists.finish())
}
