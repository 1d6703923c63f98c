//! The rows of the table `contrasts`.

use std::sync::Arc;

use arrow_array::builder::{Float32Builder, Int32Builder, ListBuilder};
use arrow_array::{ArrayRef, RecordBatch, StringArray, UInt32Array};
use arrow_schema::ArrowError;
use mitune_store::{StoreError, TableError};

use super::drawn::{Drawn, Mismatch};
use super::images::Image;
use crate::tables::latent_rows::Latent;
use crate::tables::schema;

/// Contrasts that are written together.
const TOGETHER: usize = 64;

/// Writes contrasts in their order.
pub(super) fn rows<'a>(
    images: &'a [Image],
    drawn: &'a [Drawn],
) -> impl Iterator<Item = Result<RecordBatch, StoreError>> + use<'a> {
    let batches = drawn.chunks(TOGETHER);
    batches.map(move |drawn| -> Result<RecordBatch, StoreError> {
        Ok(batch(images, drawn).map_err(TableError::Arrow)?)
    })
}

fn batch(images: &[Image], drawn: &[Drawn]) -> Result<RecordBatch, ArrowError> {
    let own = || drawn.iter().map(|drawn| &images[drawn.image]);
    let other_prompt = |drawn: &Drawn| match &drawn.mismatch {
        Mismatch::Image(_) => images[drawn.image].prompt.clone(),
        Mismatch::HardText(text) | Mismatch::RandomText(text) => text.clone(),
    };
    let other_latent = |drawn: &Drawn| match &drawn.mismatch {
        Mismatch::Image(other) => Some(&images[*other].latent),
        Mismatch::HardText(_) | Mismatch::RandomText(_) => None,
    };
    let mut shapes = ListBuilder::new(Int32Builder::new());
    for image in own() {
        for extent in image.latent.shape {
            // It was read from such a number.
            shapes
                .values()
                .append_value(i32::try_from(extent).unwrap_or(i32::MAX));
        }
        shapes.append(true);
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(own().map(|image| &image.prompt_id))),
        Arc::new(StringArray::from_iter_values(own().map(|image| &image.prompt))),
        Arc::new(UInt32Array::from_iter_values(own().map(|image| image.seed_index))),
        latents(own().map(|image| Some(&image.latent))),
        Arc::new(shapes.finish()),
        Arc::new(StringArray::from_iter_values(
            drawn.iter().map(|drawn| drawn.mismatch.kind().name()),
        )),
        Arc::new(StringArray::from_iter_values(drawn.iter().map(other_prompt))),
        latents(drawn.iter().map(other_latent)),
    ];
    RecordBatch::try_new(schema::contrasts(), columns)
}

fn latents<'a>(latents: impl Iterator<Item = Option<&'a Latent>>) -> ArrayRef {
    let mut builder = ListBuilder::new(Float32Builder::new());
    for latent in latents {
        if let Some(latent) = latent {
            builder.values().append_slice(&latent.values);
        }
        builder.append(latent.is_some());
    }
    Arc::new(builder.finish())
}
