//! The computation of the stage.

use arrow_array::RecordBatch;
use mitune_diffusion::image::{ImageError, RgbImage};
use mitune_diffusion::model::DiffusionModel;
use mitune_judges::picture::Picture;
use mitune_store::{Artifact, ItemRow, StoreError, TableError};
use rayon::prelude::*;

use super::config::IMAGE_PORTS;
use super::rows::{self, STYLED, Styled, StyledTable};
use super::sources::{NamedSource, Sources};
use super::stage::{DTYPE, Stylise};
use super::styled_latents::{EncodeError, Encoder};
use crate::contract::{ItemFamily, StageContext, StageError, StageOutput};
use crate::items::filled_batches::FilledBatches;
use crate::items::item_blocks::ItemTable;
use crate::items::producer::producer;
use crate::items::prompt_labels::parts;
use crate::models::candidate_images::{CandidateImage, CandidateImageError, CandidateImages};
use crate::tables::latent_rows::Latent;

/// Why images cannot be styled.
#[derive(Debug, thiserror::Error)]
enum StyliseError {
    #[error("No images: the table has no rows")]
    Nothing,
    #[error(
        "Image `{seed_index}` of prompt `{prompt_id}` has a seed index from {STYLED} on, which styled images of pairs \
         have"
    )]
    SeedIndex { prompt_id: String, seed_index: u32 },
    #[error("Images up to `{seed_index}` of prompt `{prompt_id}` cannot be styled")]
    Encode {
        prompt_id: String,
        seed_index: u32,
        source: EncodeError,
    },
    #[error(
        "Image `{seed_index}` of prompt `{prompt_id}` has a latent of the shape {found:?}, but its styled one has \
         {styled:?}: the model is not the one that made it"
    )]
    OtherShape {
        prompt_id: String,
        seed_index: u32,
        found: [usize; 3],
        styled: [usize; 3],
    },
    #[error("A styled image could not be written")]
    Image(#[from] ImageError),
}

/// Styles images; the model is loaded for the first of them.
struct Worker<'a> {
    stage: &'a Stylise,
    context: &'a StageContext<'a>,
    sources: Sources<'a>,
    model: Option<DiffusionModel>,
}

impl Stylise {
    pub(super) fn stylise(&self, context: &StageContext<'_>) -> Result<StageOutput, StageError> {
        let store = context.store();
        let family = context.family_key(&ItemFamily {
            item_ports: &IMAGE_PORTS,
            ..ItemFamily::default()
        })?;
        // Opened before the records say on what was computed.
        context.device()?;
        let sources = Sources::open(store, context.input(self.port.name)?)?;
        let names = sources.names(&family)?;
        check(&names).map_err(StageError::configuration)?;
        let schema = rows::kept();
        let table = ItemTable {
            family,
            schema: &schema,
            shard_rows: self.config.shard_size.get() as usize,
            unit: "images",
        };
        let items = names.iter().map(|name| name.item).collect();
        let batch_size = self.config.batch_size.get() as usize;
        let mut batches = FilledBatches::of(store, &table, items, batch_size)?;
        let blocks = batches.blocks(|place| names[place].prompt_id.clone());
        let mut worker = Worker {
            stage: self,
            context,
            sources,
            model: None,
        };
        let producer = producer(context, Some(DTYPE));
        let kept = table.compute_rows(context, &producer, &blocks, |place| {
            batches.row(*place, |together| worker.compute(together))
        })?;
        let mut output = StageOutput::default();
        for styled in StyledTable::ALL {
            let artifact = put(context, styled, &kept, &names)?;
            output.outputs.insert(styled.output().to_owned(), artifact);
        }
        Ok(output
            .with_metric("images", names.len())
            .with_metric("style", self.config.style.name()))
    }
}

fn check(names: &[NamedSource]) -> Result<(), StyliseError> {
    if names.is_empty() {
        return Err(StyliseError::Nothing);
    }
    match names.iter().find(|name| name.seed_index >= STYLED) {
        None => Ok(()),
        Some(name) => Err(StyliseError::SeedIndex {
            prompt_id: name.prompt_id.clone(),
            seed_index: name.seed_index,
        }),
    }
}

/// Stores one of the tables.
fn put(
    context: &StageContext<'_>,
    table: StyledTable,
    kept: &[ItemRow],
    names: &[NamedSource],
) -> Result<Artifact, StageError> {
    let artifacts = context.store().artifacts();
    let reader = artifacts.read_rows(&rows::kept(), &parts(kept), Some(table.columns()))?;
    let mut rest = names;
    let batches = reader.map(|batch| {
        let batch = batch?;
        let (here, later) = rest.split_at(batch.num_rows().min(rest.len()));
        rest = later;
        let rows = table.rows(&batch, here).map_err(TableError::Arrow)?;
        Ok::<_, StoreError>(rows)
    });
    Ok(artifacts.try_put_table(&table.schema(), batches)?)
}

impl Worker<'_> {
    fn compute(&mut self, rows: &[usize]) -> Result<RecordBatch, StageError> {
        let sources = self.sources.read(rows)?;
        let model = match self.model.take() {
            Some(model) => model,
            None => self.stage.model.load(self.context, DTYPE)?,
        };
        let (images, latents): (Vec<CandidateImage>, Vec<Option<Latent>>) = sources
            .into_iter()
            .map(|source| (source.image, source.latent))
            .unzip();
        let styled = self.styled(&model, &images, latents);
        self.model = Some(model);
        rows::batch(&styled?).map_err(StageError::failed)
    }

    /// Styles images; `known` are their latents, as far as the table has them.
    fn styled(
        &self,
        model: &DiffusionModel,
        images: &[CandidateImage],
        known: Vec<Option<Latent>>,
    ) -> Result<Vec<Styled>, StageError> {
        let device = self.context.device()?;
        let batch_size = self.stage.config.batch_size.get() as usize;
        let decoder = CandidateImages {
            model: Some(model),
            device: Some(device),
            batch_size,
            only: None,
        };
        let pictures = decoder
            .pictures(images)
            .map_err(CandidateImageError::into_stage_error)?;
        let originals: Vec<RgbImage> = pictures.iter().map(Picture::to_rgb).collect();
        let style = &self.stage.config.style;
        let styled: Vec<RgbImage> = originals.par_iter().map(|image| style.apply(image)).collect();
        let encoder = Encoder {
            model,
            device,
            batch_size,
        };
        let all: Vec<&RgbImage> = styled.iter().collect();
        let latents = encoder
            .encode(&all)
            .map_err(|source| not_encoded(source, images))?;
        let unknown: Vec<&RgbImage> = originals
            .iter()
            .zip(&known)
            .filter_map(|(image, known)| known.is_none().then_some(image))
            .collect();
        let encoded = encoder
            .encode(&unknown)
            .map_err(|source| not_encoded(source, images))?;
        let mut encoded = encoded.into_iter();
        let mut rows = Vec::with_capacity(images.len());
        for (((image, known), styled), latent) in images.iter().zip(known).zip(&styled).zip(latents) {
            // One was encoded for each that has none.
            let original = known.or_else(|| encoded.next()).unwrap_or_else(|| latent.clone());
            same_shape(image, &original, &latent).map_err(StageError::configuration)?;
            let png = styled.to_png().map_err(StyliseError::from);
            rows.push(Styled {
                png: png.map_err(StageError::failed)?,
                latent,
                original,
            });
        }
        Ok(rows)
    }
}

fn same_shape(image: &CandidateImage, original: &Latent, styled: &Latent) -> Result<(), StyliseError> {
    match original.shape == styled.shape {
        true => Ok(()),
        false => Err(StyliseError::OtherShape {
            prompt_id: image.prompt_id.clone(),
            seed_index: image.seed_index,
            found: original.shape,
            styled: styled.shape,
        }),
    }
}

fn not_encoded(source: EncodeError, images: &[CandidateImage]) -> StageError {
    let is_setting = matches!(source, EncodeError::Sides { .. });
    let last = images.last();
    let error = StyliseError::Encode {
        prompt_id: last.map(|last| last.prompt_id.clone()).unwrap_or_default(),
        seed_index: last.map_or(0, |last| last.seed_index),
        source,
    };
    match is_setting {
        true => StageError::configuration(error),
        false => StageError::failed(error),
    }
}
