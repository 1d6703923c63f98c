//! The images of a set, wherever they lie: named by their content, and read again where features are made of them.

use mitune_diffusion::model::DiffusionModel;
use mitune_judges::picture::Picture;
use mitune_store::{Artifact, FamilyKey, ItemKey, Store};

use super::reference_folder::ReferenceFolder;
use super::stage::{DECODED_IN, SetDistance};
use crate::contract::{KeyIngredients, StageContext, StageError};
use crate::items::row_reader::RowReader;
use crate::models::candidate_images::{CandidateImage, CandidateImageError, CandidateImages};
use crate::models::image_table::ImageColumns;
use crate::tables::image_rows::ENCODED;

/// The images of one set.
pub(super) enum PictureSource<'a> {
    /// Candidates, a selection of them, latents or images.
    Table(Box<CandidateTable<'a>>),
    /// Images of a folder.
    Folder(ReferenceFolder),
}

/// A table whose rows have or become images.
pub(super) struct CandidateTable<'a> {
    store: &'a Store,
    table: &'a Artifact,
    columns: ImageColumns,
    rows: RowReader<'a>,
}

/// An image without its pixels.
pub(super) struct NamedPicture {
    pub(super) item: ItemKey,
    /// The prompt of a candidate, empty for an image of a folder.
    pub(super) prompt_id: String,
}

/// Makes images of latents; the model is loaded for the first of them.
pub(super) struct Decoder<'a> {
    stage: &'a SetDistance,
    context: &'a StageContext<'a>,
    model: Option<DiffusionModel>,
}

impl<'a> PictureSource<'a> {
    /// Takes a table whose rows have or become images.
    ///
    /// # Errors
    /// An error of the store.
    pub(super) fn table(store: &'a Store, table: &'a Artifact) -> Result<Self, StageError> {
        let columns = ImageColumns::of(store, table)?;
        let rows = RowReader::open(store, table, columns.names())?;
        Ok(Self::Table(Box::new(CandidateTable {
            store,
            table,
            columns,
            rows,
        })))
    }

    /// Names the images, in their order.
    ///
    /// # Errors
    /// [`StageError::Failed`] if candidates cannot be read, or an error of the store.
    pub(super) fn names(&self, family: &FamilyKey) -> Result<Vec<NamedPicture>, StageError> {
        match self {
            Self::Table(table) => table.names(family),
            Self::Folder(folder) => folder
                .images()
                .iter()
                .map(|image| {
                    Ok(NamedPicture {
                        item: item(family, (ENCODED, image.digest))?,
                        prompt_id: String::new(),
                    })
                })
                .collect(),
        }
    }

    /// Names the image of a row in an error.
    pub(super) fn name_of(&mut self, row: usize) -> String {
        match self {
            Self::Folder(folder) => format!("image `{}`", folder.path_of(row).display()),
            Self::Table(table) => match table.candidates(&[row]).as_deref() {
                Ok([candidate]) => format!(
                    "candidate `{}` of prompt `{}`",
                    candidate.seed_index, candidate.prompt_id
                ),
                _ => format!("image {} of the set", row + 1),
            },
        }
    }

    /// Reads the images of rows.
    ///
    /// # Errors
    /// Errors of reading and decoding that name the image.
    pub(super) fn read(
        &mut self,
        rows: &[usize],
        decoder: &mut Decoder<'_>,
    ) -> Result<Vec<Picture>, StageError> {
        match self {
            Self::Table(table) => decoder.pictures(&table.candidates(rows)?),
            Self::Folder(folder) => folder.read(rows),
        }
    }
}

/// Names an image by what it is made from, whichever prompt or file has it.
fn item(family: &FamilyKey, (kind, digest): (&'static str, blake3::Hash)) -> Result<ItemKey, StageError> {
    Ok(KeyIngredients::item_key(
        family,
        &(kind, digest.to_hex().as_str()),
    )?)
}

impl CandidateTable<'_> {
    fn names(&self, family: &FamilyKey) -> Result<Vec<NamedPicture>, StageError> {
        let columns = self.columns;
        let mut names = Vec::new();
        for batch in self
            .store
            .artifacts()
            .read_table(self.table, Some(columns.names()))?
        {
            let batch = batch?;
            for row in 0..batch.num_rows() {
                let candidate = columns.read(&batch, row)?;
                names.push(NamedPicture {
                    item: item(family, candidate.source.digest())?,
                    prompt_id: candidate.prompt_id,
                });
            }
        }
        Ok(names)
    }

    fn candidates(&mut self, rows: &[usize]) -> Result<Vec<CandidateImage>, StageError> {
        let columns = self.columns;
        let mut candidates = Vec::with_capacity(rows.len());
        for row in rows {
            let row = *row as u64;
            let found = self
                .rows
                .read(&(row..row + 1), |batch, row| columns.read(batch, row))?;
            candidates.extend(found);
        }
        Ok(candidates)
    }
}

impl<'a> Decoder<'a> {
    pub(super) fn new(stage: &'a SetDistance, context: &'a StageContext<'a>) -> Self {
        Self {
            stage,
            context,
            model: None,
        }
    }

    fn pictures(&mut self, candidates: &[CandidateImage]) -> Result<Vec<Picture>, StageError> {
        if self.model.is_none() && candidates.iter().any(CandidateImage::is_latent) {
            let source = self.stage.decoder.as_ref();
            self.model = source
                .map(|source| source.load(self.context, DECODED_IN))
                .transpose()?;
        }
        let images = CandidateImages {
            device: self.model.as_ref().map(|_| self.context.device()).transpose()?,
            model: self.model.as_ref(),
            batch_size: self.stage.config.batch_size.get() as usize,
            only: None,
        };
        images
            .pictures(candidates)
            .map_err(CandidateImageError::into_stage_error)
    }
}
