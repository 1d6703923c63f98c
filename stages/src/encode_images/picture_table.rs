//! The table of pictures as they were encoded.

use std::collections::HashSet;
use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, StringBuilder, StructBuilder, UInt32Builder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::ArrowError;
use mitune_store::Artifact;

use super::encode::Encoder;
use super::error::EncodeError;
use super::kept::{KeptImage, KeptRow};
use super::latent_tables::put_streamed;
use super::prepare::prepared;
use crate::contract::StageError;
use crate::ingest::images::reader::ImageReader;
use crate::items::prompt_labels::image_name;
use crate::tables::schema;

/// Pictures that are in memory at a time.
const BATCH_ROWS: usize = 16;

/// A picture with the row that shows it first.
type Shown<'k> = (&'k KeptRow, KeptImage);

impl Encoder<'_> {
    /// Stores the table `images`: the pictures of all rows, each once for a prompt. They are read again rather than kept
    /// with the latents, so that keeping them encodes nothing anew.
    ///
    /// # Errors
    /// [`StageError::Changed`] if an image is another one by now, [`StageError::Interrupted`], or an error of the store.
    pub(super) fn pictures(&self) -> Result<Artifact, StageError> {
        let mut reader = ImageReader::new(&self.files.files);
        let shown = self.shown();
        let mut groups = shown.chunks(BATCH_ROWS);
        put_streamed(self.context.store(), &schema::images(), || {
            self.context.check_cancelled()?;
            let Some(group) = groups.next() else {
                return Ok(None);
            };
            let mut files = Vec::with_capacity(group.len());
            for (_, image) in group {
                files.push(self.png(*image, &mut reader)?);
            }
            batch(group, &files).map(Some).map_err(StageError::failed)
        })
    }

    /// The images of all rows, those of a prompt once each.
    fn shown(&self) -> Vec<Shown<'_>> {
        let mut known = HashSet::new();
        let rows = self.kept.rows.iter();
        let shown = rows.flat_map(|row| row.images().map(move |image| (row, image)));
        shown
            .filter(|(row, image)| known.insert((Arc::clone(&row.prompt), image.seed_index)))
            .collect()
    }

    fn png(&self, image: KeptImage, reader: &mut ImageReader<'_>) -> Result<Vec<u8>, StageError> {
        let image = &self.kept.images[image.index];
        let bytes = self.bytes(image, reader)?;
        let unusable = |problem| {
            let image = format!("The image in {}", self.files.name(image.at));
            StageError::configuration(EncodeError::Unusable { image, problem })
        };
        let picture = prepared(&bytes, &image.digest, self.fit).map_err(unusable)?;
        picture.to_png().map_err(StageError::failed)
    }
}

fn batch(shown: &[Shown<'_>], files: &[Vec<u8>]) -> Result<RecordBatch, ArrowError> {
    let missing = || ArrowError::SchemaError("Image fields are not bytes and path".to_owned());
    let (mut prompt_ids, mut prompts) = (StringBuilder::new(), StringBuilder::new());
    let mut seed_indices = UInt32Builder::new();
    let mut images = StructBuilder::from_fields(schema::image_fields(), shown.len());
    for ((row, image), file) in shown.iter().zip(files) {
        let prompt_id = row.prompt_id();
        let bytes = images.field_builder::<BinaryBuilder>(0).ok_or_else(missing)?;
        bytes.append_value(file);
        let path = images.field_builder::<StringBuilder>(1).ok_or_else(missing)?;
        path.append_value(image_name(&prompt_id, image.seed_index));
        images.append(true);
        prompt_ids.append_value(prompt_id);
        prompts.append_value(&row.prompt);
        seed_indices.append_value(image.seed_index);
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(prompt_ids.finish()),
        Arc::new(prompts.finish()),
        Arc::new(seed_indices.finish()),
        Arc::new(images.finish()),
    ];
    RecordBatch::try_new(schema::images(), columns)
}
