//! The computation of the stage.

use std::ops::Range;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use mitune_diffusion::model::DiffusionModel;

use super::candidates::{blocks, open, read};
use super::config::{DTYPE, JudgeStage};
use super::rows;
use crate::contract::{ItemFamily, StageContext, StageError, StageOutput};
use crate::items::item_blocks::ItemTable;
use crate::items::producer::producer;
use crate::items::row_reader::RowReader;
use crate::judges::{JudgedImage, OpenJudge};
use crate::models::candidate_images::{CandidateImage, CandidateImageError, CandidateImages};

/// Judges blocks of candidates; what it needs for that is loaded when it is first needed.
struct Worker<'a> {
    stage: &'a JudgeStage,
    context: &'a StageContext<'a>,
    schema: &'a SchemaRef,
    candidates: RowReader<'a>,
    model: Option<DiffusionModel>,
    judge: Option<Box<dyn OpenJudge>>,
}

impl JudgeStage {
    pub(super) fn judge_candidates(&self, context: &StageContext<'_>) -> Result<StageOutput, StageError> {
        let family = context.family_key(&ItemFamily {
            item_ports: &["candidates"],
            ..ItemFamily::default()
        })?;
        let blocks = blocks(context, &family, self.batch_size.get(), |prompt| {
            self.judge.check_prompt(prompt)
        })?;
        if self.judge.needs_device() {
            // Opened before the records say on what was computed.
            context.device()?;
        }
        let schema = rows::schema(self.judge.columns());
        let mut worker = Worker {
            stage: self,
            context,
            schema: &schema,
            candidates: open(context)?,
            model: None,
            judge: None,
        };
        let table = ItemTable {
            family,
            schema: &schema,
            shard_rows: self.config.shard_size.get() as usize,
            unit: "images",
        };
        let artifact = table.complete(context, &producer(context, Some(DTYPE)), &blocks, |wanted| {
            worker.compute(wanted)
        })?;
        let rows = artifact.rows.unwrap_or_default();
        Ok(StageOutput::one("scores", artifact).with_metric("images", rows))
    }
}

impl Worker<'_> {
    fn compute(&mut self, wanted: &Range<u64>) -> Result<RecordBatch, StageError> {
        let candidates = read(&mut self.candidates, wanted)?;
        if self.model.is_none() && candidates.iter().any(CandidateImage::is_latent) {
            let source = self.stage.model.as_ref();
            self.model = source
                .map(|source| source.load(self.context, DTYPE))
                .transpose()?;
        }
        let images = CandidateImages {
            device: self.model.as_ref().map(|_| self.context.device()).transpose()?,
            model: self.model.as_ref(),
            batch_size: self.stage.batch_size.get() as usize,
            only: self.stage.judge.only_size(),
        };
        let images = images
            .load(&candidates)
            .map_err(CandidateImageError::into_stage_error)?;
        let asked: Vec<JudgedImage<'_>> = candidates
            .iter()
            .zip(&images)
            .map(|(candidate, image)| JudgedImage {
                prompt: &candidate.prompt,
                image,
            })
            .collect();
        let judge = match self.judge.take() {
            Some(judge) => judge,
            None => self.stage.judge.open(self.context)?,
        };
        let judged = self.judge.insert(judge).judge(&asked)?;
        rows::batch(self.schema, self.stage.judge.columns(), &candidates, &judged).map_err(StageError::failed)
    }
}
