//! The computation of the stage.

use std::num::NonZeroUsize;

use arrow_array::RecordBatch;
use mitune_diffusion::model::DiffusionModel;
use mitune_judges::clip_judges::{Execution, JudgeError, PairEmbeddings};
use mitune_judges::picture::Picture;
use mitune_store::FamilyKey;

use super::config::TABLE_PORTS;
use super::members::{Member, Members};
use super::rows;
use super::stage::{CLIP, CLIP_PORT, Clip, DECODED_IN, Embed};
use crate::contract::{ItemFamily, StageContext, StageError, StageOutput};
use crate::items::filled_batches::FilledBatches;
use crate::items::item_blocks::ItemTable;
use crate::items::producer::producer;
use crate::judges::ClipFeatures;
use crate::models::candidate_images::{CandidateImage, CandidateImageError, CandidateImages};
use crate::models::loaded_model::check_dtype;
use crate::models::model_source::float_dtype;
use crate::tables::schema;

/// Why images have no features.
#[derive(Debug, thiserror::Error)]
enum EmbedError {
    #[error("Image of candidate `{seed_index}` of prompt `{prompt_id}` cannot be embedded")]
    Image {
        prompt_id: String,
        seed_index: u32,
        source: JudgeError,
    },
    #[error("No temporary folder could be made for the CLIP")]
    Temporary(#[source] std::io::Error),
}

/// Embeds images; what it needs for that is loaded when it is first needed.
struct Worker<'a> {
    stage: &'a Embed,
    context: &'a StageContext<'a>,
    members: Members<'a>,
    names: &'a [Member],
    model: Option<DiffusionModel>,
    network: Option<PairEmbeddings>,
}

impl Embed {
    pub(super) fn embed(&self, context: &StageContext<'_>) -> Result<StageOutput, StageError> {
        let (store, schema, family) = (context.store(), schema::features(), self.family(context)?);
        // Opened before the records say on what was computed.
        context.device()?;
        let members = Members::open(store, context.input(self.port)?, self.port)?;
        let names = members.names(&family)?;
        let table = ItemTable {
            family,
            schema: &schema,
            shard_rows: self.config.shard_size.get() as usize,
            unit: "images",
        };
        let items = names.iter().map(|member| member.item).collect();
        let batch_size = self.config.batch_size.get() as usize;
        let mut batches = FilledBatches::of(store, &table, items, batch_size)?;
        let blocks = batches.blocks(|place| names[place].prompt_id.clone());
        let mut worker = Worker {
            stage: self,
            context,
            members,
            names: &names,
            model: None,
            network: None,
        };
        let producer = producer(context, Some(self.config.dtype));
        let features = table.complete(context, &producer, &blocks, |place| {
            batches.row(*place, |together| worker.compute(together))
        })?;
        Ok(StageOutput::one("features", features).with_metric("images", names.len()))
    }

    fn family(&self, context: &StageContext<'_>) -> Result<FamilyKey, StageError> {
        context.family_key(&ItemFamily {
            item_ports: &TABLE_PORTS,
            ..ItemFamily::default()
        })
    }

    fn load(&self, context: &StageContext<'_>) -> Result<PairEmbeddings, StageError> {
        let (device, dtype) = (context.device()?, self.config.dtype);
        check_dtype(device, &context.device_name().unwrap_or_default(), dtype)?;
        let execution = Execution {
            device: device.clone(),
            dtype: float_dtype(dtype),
            batch: NonZeroUsize::try_from(self.config.batch_size).unwrap_or(NonZeroUsize::MIN),
        };
        if let Clip::Folder(clip) = &self.clip {
            let (network, digest) = clip.load_digested(execution)?;
            let changed = || StageError::Changed {
                input: CLIP.to_owned(),
            };
            context.check_external(CLIP, digest.ok_or_else(changed)?)?;
            return Ok(network);
        }
        let temporary =
            tempfile::tempdir().map_err(|error| StageError::failed(EmbedError::Temporary(error)))?;
        let folder = temporary.path().join("clip");
        context
            .store()
            .artifacts()
            .export(context.input(CLIP_PORT)?, &folder)?;
        let preprocessing = self.config.preprocessing;
        let exported = ClipFeatures {
            folder,
            preprocessing,
        };
        let (network, _) = exported.load_digested(execution)?;
        Ok(network)
    }
}

impl Worker<'_> {
    fn compute(&mut self, together: &[usize]) -> Result<RecordBatch, StageError> {
        let members: Vec<&Member> = together.iter().map(|place| &self.names[*place]).collect();
        let images = self.members.read(&members)?;
        let pictures = self.pictures(&images)?;
        let asked: Vec<(&Picture, &str)> = pictures
            .iter()
            .zip(&images)
            .map(|(picture, image)| (picture, image.prompt.as_str()))
            .collect();
        let network = match self.network.take() {
            Some(network) => network,
            None => self.stage.load(self.context)?,
        };
        let embedded = self.network.insert(network).embed(&asked);
        let embedded = embedded.map_err(|source| about_image(source, &images))?;
        rows::batch(&images, &embedded).map_err(StageError::failed)
    }

    fn pictures(&mut self, images: &[CandidateImage]) -> Result<Vec<Picture>, StageError> {
        if self.model.is_none() && images.iter().any(CandidateImage::is_latent) {
            let source = self.stage.model.as_ref();
            self.model = source
                .map(|source| source.load(self.context, DECODED_IN))
                .transpose()?;
        }
        let decoded = CandidateImages {
            device: self.model.as_ref().map(|_| self.context.device()).transpose()?,
            model: self.model.as_ref(),
            batch_size: self.stage.config.batch_size.get() as usize,
            only: None,
        };
        decoded
            .pictures(images)
            .map_err(CandidateImageError::into_stage_error)
    }
}

/// Says which image an error of the CLIP speaks of, if it speaks of one.
fn about_image(source: JudgeError, images: &[CandidateImage]) -> StageError {
    match source.item().and_then(|item| images.get(item)) {
        None => StageError::failed(source),
        Some(image) => StageError::failed(EmbedError::Image {
            prompt_id: image.prompt_id.clone(),
            seed_index: image.seed_index,
            source,
        }),
    }
}
