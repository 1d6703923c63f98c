//! The computation of the stage.

use std::collections::HashMap;
use std::ops::Range;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use mitune_diffusion::model::DiffusionModel;
use mitune_judges::picture::Picture;
use mitune_store::{Artifact, FamilyKey};

use super::candidates::Candidates;
use super::config::{DTYPE, JudgeStage, StageJudge};
use super::joined::put_joined;
use super::rows;
use super::source::TABLE_PORTS;
use crate::contract::{ItemFamily, StageContext, StageError, StageOutput};
use crate::items::item_blocks::{Block, ItemTable};
use crate::items::producer::producer;
use crate::judges::{JudgedImage, OpenJudge};
use crate::models::candidate_images::{CandidateImage, CandidateImageError, CandidateImages};

/// Judges blocks of candidates; what it needs for that is loaded when it is first needed.
struct Worker<'a> {
    stage: &'a JudgeStage,
    judge: &'a StageJudge,
    context: &'a StageContext<'a>,
    schema: &'a SchemaRef,
    blocks: &'a [Block<Range<u64>>],
    candidates: Candidates<'a>,
    model: Option<DiffusionModel>,
    opened: Option<Box<dyn OpenJudge>>,
    /// Blocks that were judged to fill the batch of another, by their first rows.
    ahead: HashMap<u64, RecordBatch>,
}

impl JudgeStage {
    pub(super) fn judge_candidates(&self, context: &StageContext<'_>) -> Result<StageOutput, StageError> {
        let several = self.judges.len() > 1;
        let mut tables = Vec::with_capacity(self.judges.len());
        for judge in &self.judges {
            if several {
                context
                    .progress()
                    .message(&format!("Judge `{}`", judge.judge.name()));
            }
            tables.push(self.table_of(judge, context)?);
        }
        let artifact = match (tables.len(), tables.pop()) {
            (1, Some(only)) => only,
            (_, last) => {
                tables.extend(last);
                put_joined(context.store(), &rows::schema(&self.columns), &tables)?
            }
        };
        let rows = artifact.rows.unwrap_or_default();
        Ok(StageOutput::one("scores", artifact).with_metric("images", rows))
    }

    /// The family of what a judge says: that of a stage in which it judges alone.
    fn family(&self, judge: &StageJudge, context: &StageContext<'_>) -> Result<FamilyKey, StageError> {
        let family = ItemFamily {
            item_ports: &TABLE_PORTS,
            ..ItemFamily::default()
        };
        let reads = |name: &str| self.reads(judge.judge.as_ref(), name);
        context.part_family_key(judge.keyed()?, &reads, &family)
    }

    fn table_of(&self, judge: &StageJudge, context: &StageContext<'_>) -> Result<Artifact, StageError> {
        let family = self.family(judge, context)?;
        let asks = judge.judge.asks_about_phrases();
        let candidates = Candidates::open(context, &self.source, asks, self.reads_phrases())?;
        let blocks = candidates.blocks(context, &family, judge.batch_size.get(), |prompt| {
            judge.judge.check_prompt(prompt)
        })?;
        if judge.judge.needs_device() {
            // Opened before the records say on what was computed.
            context.device()?;
        }
        let schema = rows::schema(judge.judge.columns());
        let mut worker = Worker {
            stage: self,
            judge,
            context,
            schema: &schema,
            blocks: &blocks,
            candidates,
            model: None,
            opened: None,
            ahead: HashMap::new(),
        };
        let table = ItemTable {
            family,
            schema: &schema,
            shard_rows: self.config.shard_size.get() as usize,
            unit: "images",
        };
        let dtype = judge.judge.dtype().unwrap_or(DTYPE);
        table.complete(context, &producer(context, Some(dtype)), &blocks, |wanted| {
            worker.compute(wanted)
        })
    }
}

impl Worker<'_> {
    fn compute(&mut self, wanted: &Range<u64>) -> Result<RecordBatch, StageError> {
        // What lies before was judged by another process meanwhile.
        self.ahead.retain(|begin, _| *begin >= wanted.start);
        if let Some(known) = self.ahead.remove(&wanted.start) {
            return Ok(known);
        }
        let together = self.together(wanted);
        let mut candidates = Vec::new();
        for rows in &together {
            candidates.extend(self.candidates.read(rows)?);
        }
        let pictures = self.pictures(&candidates)?;
        let asked: Vec<JudgedImage<'_>> = candidates
            .iter()
            .zip(&pictures)
            .map(|(candidate, image)| JudgedImage {
                prompt: &candidate.prompt,
                image,
            })
            .collect();
        let opened = match self.opened.take() {
            Some(opened) => opened,
            None => self.judge.judge.open(self.context, self.judge.batch_size)?,
        };
        let phrases: Vec<Option<&[String]>> = together
            .iter()
            .flat_map(|rows| self.candidates.phrases(rows))
            .collect();
        let judged = self.opened.insert(opened).judge_phrases(&asked, &phrases);
        let judged = judged.map_err(|error| rows::about_candidate(error, &candidates))?;
        let columns = self.judge.judge.columns();
        let batch = rows::batch(self.schema, columns, &candidates, &judged).map_err(StageError::failed)?;
        let mut begin = 0;
        for rows in together {
            let count = (rows.end - rows.start) as usize;
            self.ahead.insert(rows.start, batch.slice(begin, count));
            begin += count;
        }
        Ok(self.ahead.remove(&wanted.start).unwrap_or(batch))
    }

    /// The rows of a block, and of those behind it that fill the batch where an empty place costs as much as an image.
    fn together(&self, wanted: &Range<u64>) -> Vec<Range<u64>> {
        let mut together = vec![wanted.clone()];
        if !self.judge.judge.fills_batches() {
            return together;
        }
        let length = |rows: &Range<u64>| rows.end - rows.start;
        let mut free = u64::from(self.judge.batch_size.get()).saturating_sub(length(wanted));
        // Blocks lie in the order of their rows.
        let next = self
            .blocks
            .partition_point(|block| block.work.start <= wanted.start);
        for block in &self.blocks[next..] {
            if length(&block.work) > free {
                break;
            }
            if !self.ahead.contains_key(&block.work.start) {
                free -= length(&block.work);
                together.push(block.work.clone());
            }
        }
        together
    }

    fn pictures(&mut self, candidates: &[CandidateImage]) -> Result<Vec<Picture>, StageError> {
        if self.model.is_none() && candidates.iter().any(CandidateImage::is_latent) {
            let source = self.stage.model.as_ref();
            self.model = source
                .map(|source| source.load(self.context, DTYPE))
                .transpose()?;
        }
        let images = CandidateImages {
            device: self.model.as_ref().map(|_| self.context.device()).transpose()?,
            model: self.model.as_ref(),
            batch_size: self.judge.batch_size.get() as usize,
            only: self.judge.judge.only_size(),
        };
        images
            .pictures(candidates)
            .map_err(CandidateImageError::into_stage_error)
    }
}
