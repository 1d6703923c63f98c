//! The images that are styled, named by their content and read again where they are styled.

use arrow_array::RecordBatch;
use mitune_store::{Artifact, FamilyKey, ItemKey, Store};

use crate::contract::{KeyIngredients, StageError};
use crate::items::row_reader::RowReader;
use crate::models::candidate_images::CandidateImage;
use crate::models::image_table::ImageColumns;
use crate::tables::image_rows::ImageSource;
use crate::tables::latent_rows::{Latent, LatentRows};

/// The table of the images.
pub(super) struct Sources<'a> {
    store: &'a Store,
    table: &'a Artifact,
    columns: ImageColumns,
    rows: RowReader<'a>,
}

/// An image without its pixels.
pub(super) struct NamedSource {
    pub(super) prompt_id: String,
    pub(super) prompt: String,
    pub(super) seed_index: u32,
    pub(super) item: ItemKey,
}

/// An image to be styled, with its latent where the table has it.
pub(super) struct Source {
    pub(super) image: CandidateImage,
    pub(super) latent: Option<Latent>,
}

impl<'a> Sources<'a> {
    /// Opens the table.
    ///
    /// # Errors
    /// An error of the store.
    pub(super) fn open(store: &'a Store, table: &'a Artifact) -> Result<Self, StageError> {
        let columns = ImageColumns::of(store, table)?;
        Ok(Self {
            store,
            table,
            columns,
            rows: RowReader::open(store, table, columns.names())?,
        })
    }

    /// Names the images, in the order of the table.
    ///
    /// # Errors
    /// [`StageError::Failed`] if a row cannot be read, or an error of the store.
    pub(super) fn names(&self, family: &FamilyKey) -> Result<Vec<NamedSource>, StageError> {
        let mut names = Vec::new();
        for batch in self
            .store
            .artifacts()
            .read_table(self.table, Some(self.columns.names()))?
        {
            let batch = batch?;
            for row in 0..batch.num_rows() {
                let source = source(self.columns, &batch, row)?;
                names.push(NamedSource {
                    item: item(family, &source)?,
                    prompt_id: source.image.prompt_id,
                    prompt: source.image.prompt,
                    seed_index: source.image.seed_index,
                });
            }
        }
        Ok(names)
    }

    /// Reads the images of rows.
    ///
    /// # Errors
    /// As [`Self::names`].
    pub(super) fn read(&mut self, rows: &[usize]) -> Result<Vec<Source>, StageError> {
        let columns = self.columns;
        let mut sources = Vec::with_capacity(rows.len());
        for row in rows {
            let row = *row as u64;
            let found = self
                .rows
                .read(&(row..row + 1), |batch, row| source(columns, batch, row))?;
            sources.extend(found);
        }
        Ok(sources)
    }
}

fn source(columns: ImageColumns, batch: &RecordBatch, row: usize) -> Result<Source, StageError> {
    let image = columns.read(batch, row)?;
    let latent = match (columns, &image.source) {
        (_, ImageSource::Latent(latent)) => Some(latent.clone()),
        (ImageColumns::Both, ImageSource::Encoded(_)) => {
            let rows = LatentRows::of(batch).map_err(StageError::failed)?;
            Some(rows.latent(row).map_err(StageError::failed)?)
        }
        (_, ImageSource::Encoded(_)) => None,
    };
    Ok(Source { image, latent })
}

/// Names an image by what it and its latent are made from, whichever prompt has it.
fn item(family: &FamilyKey, source: &Source) -> Result<ItemKey, StageError> {
    let (kind, digest) = source.image.source.digest();
    let latent = source.latent.as_ref().map(|latent| {
        let (_, digest) = ImageSource::Latent(latent.clone()).digest();
        digest.to_hex().to_string()
    });
    let named = (kind, digest.to_hex().to_string(), latent);
    Ok(KeyIngredients::item_key(family, &named)?)
}
