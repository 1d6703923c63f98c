//! Candidates as rows of their table.

use std::sync::Arc;

use arrow_array::builder::{
    BinaryBuilder, Float32Builder, Float64Builder, Int32Builder, ListBuilder, StringBuilder, StructBuilder,
    UInt32Builder, UInt64Builder,
};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::ArrowError;
use mitune_diffusion::sampler::Candidate;

use crate::items::prompt_labels::image_name;
use crate::tables::schema;

/// One row to be.
pub(crate) struct CandidateRow<'a> {
    /// Identity of the prompt's row.
    pub(crate) prompt_id: &'a str,
    /// The prompt.
    pub(crate) prompt: &'a str,
    /// Seed of all noise.
    pub(crate) seed: u64,
    /// What the sampler made.
    pub(crate) candidate: &'a Candidate,
    /// Channels, height and width of the latent.
    pub(crate) latent_shape: [usize; 3],
    /// The decoded image as PNG.
    pub(crate) png: Option<&'a [u8]>,
}

/// Builds a batch of the table `candidates`.
pub(crate) fn batch(rows: &[CandidateRow<'_>]) -> Result<RecordBatch, ArrowError> {
    let mut prompt_id = StringBuilder::new();
    let mut prompt = StringBuilder::new();
    let mut seed = UInt64Builder::new();
    let mut seed_index = UInt32Builder::new();
    let mut mi = Float64Builder::new();
    let mut mi_trace = ListBuilder::new(Float32Builder::new());
    let mut timesteps = ListBuilder::new(Int32Builder::new());
    let mut latent = ListBuilder::new(Float32Builder::new());
    let mut latent_shape = ListBuilder::new(Int32Builder::new());
    let mut mi_paper = Float64Builder::new();
    let mut mi_reference = Float64Builder::new();
    let mut mi_weights = ListBuilder::new(Float32Builder::new());
    let mut image = StructBuilder::from_fields(schema::image_fields(), rows.len());
    for row in rows {
        let candidate = row.candidate;
        prompt_id.append_value(row.prompt_id);
        prompt.append_value(row.prompt);
        seed.append_value(row.seed);
        seed_index.append_value(candidate.seed_index);
        mi.append_value(candidate.mi);
        mi_trace.append_value(candidate.mi_trace.iter().copied().map(Some));
        timesteps.append_value(candidate.timesteps.iter().copied().map(Some));
        latent.append_value(candidate.latent.iter().copied().map(Some));
        latent_shape.append_value(row.latent_shape.iter().map(|&extent| Some(extent as i32)));
        mi_paper.append_option(candidate.mi_paper);
        mi_reference.append_option(candidate.mi_reference);
        mi_weights.append_value(candidate.mi_weights.iter().copied().map(Some));
        append_image(&mut image, row)?;
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(prompt_id.finish()),
        Arc::new(prompt.finish()),
        Arc::new(seed.finish()),
        Arc::new(seed_index.finish()),
        Arc::new(mi.finish()),
        Arc::new(mi_trace.finish()),
        Arc::new(timesteps.finish()),
        Arc::new(latent.finish()),
        Arc::new(latent_shape.finish()),
        Arc::new(image.finish()),
        Arc::new(mi_paper.finish()),
        Arc::new(mi_reference.finish()),
        Arc::new(mi_weights.finish()),
    ];
    RecordBatch::try_new(schema::candidates(), columns)
}

fn append_image(image: &mut StructBuilder, row: &CandidateRow<'_>) -> Result<(), ArrowError> {
    let missing = || ArrowError::SchemaError("Image fields are not bytes and path".to_owned());
    let name = row
        .png
        .map(|_| image_name(row.prompt_id, row.candidate.seed_index));
    image
        .field_builder::<BinaryBuilder>(0)
        .ok_or_else(missing)?
        .append_option(row.png);
    image
        .field_builder::<StringBuilder>(1)
        .ok_or_else(missing)?
        .append_option(name);
    image.append(row.png.is_some());
    Ok(())
}
