//! The computation of the stage.

use std::cell::OnceCell;
use std::ops::ControlFlow;

use arrow_array::{Array, RecordBatch};
use burn::tensor::Device;
use mitune_diffusion::model::DiffusionModel;
use mitune_diffusion::noise::text_key;
use mitune_diffusion::sampler::{Candidate, Sampler, SamplerError};
use mitune_diffusion::tokenizer::Tokenizer;
use mitune_store::FamilyKey;

use super::config::{Generate, SELECTING};
use super::rows::{CandidateRow, batch};
use super::unprompted::{Unprompted, unprompted};
use crate::contract::demand::check_batch;
use crate::contract::{ItemFamily, KeyIngredients, StageContext, StageError, StageOutput};
use crate::items::item_blocks::{Block, ItemTable};
use crate::items::producer::producer;
use crate::models::batch_size::default_batch_size;
use crate::models::identified_model::IdentifiedModel;
use crate::models::latent_decoder::LatentDecoder;
use crate::models::latent_shape::latent_shape;
use crate::tables::columns::string_column;
use crate::tables::schema;

/// Candidates of one prompt that are computed together.
struct CandidateBatch {
    prompt: usize,
    /// First seed index of the batch; the batch always has its full size.
    first: u32,
    /// Seed indices of the batch that are wanted.
    wanted: std::ops::Range<u32>,
}

/// A prompt of the table.
struct Prompt {
    id: String,
    text: String,
}

/// Everything a batch needs.
struct Worker<'a> {
    stage: &'a Generate,
    model: IdentifiedModel<'a>,
    device: &'a Device,
    sampler: Sampler,
    /// What needs the model, made when something is first computed.
    unprompted: OnceCell<Unprompted>,
    latent_shape: [usize; 3],
    batch_size: u32,
}

impl Generate {
    pub(super) fn generate(&self, context: &StageContext<'_>) -> Result<StageOutput, StageError> {
        let prompts = read_prompts(context)?;
        let model = IdentifiedModel::open(&self.model, context, self.dtype)?;
        let directory = model.directory();
        let latent_shape = latent_shape(
            &directory.denoiser_shape(),
            directory.vae_config(),
            self.config.height,
            self.config.width,
        )?;
        let batch_size = self
            .config
            .batch_size
            .unwrap_or_else(|| default_batch_size(latent_shape.iter().product()));
        check_batch(batch_size, latent_shape, &directory.denoiser_shape())?;
        let batch_size = u32::try_from(batch_size).unwrap_or(u32::MAX);
        let family = context.family_key(&ItemFamily {
            choosing_settings: &SELECTING,
            item_ports: &["prompts"],
            model: Some(model.digest()),
            batch_size: Some(batch_size),
        })?;
        let blocks = self.blocks(&family, &prompts, batch_size)?;
        let sampler = Sampler::new(directory.scheduler_config(), &self.sampler_settings())
            .map_err(StageError::configuration)?;
        let truncated = report_truncated(context, directory.tokenizer(), &prompts)?;
        let worker = Worker {
            stage: self,
            model,
            device: context.device()?,
            sampler,
            unprompted: OnceCell::new(),
            latent_shape,
            batch_size,
        };
        let schema = schema::candidates();
        let table = ItemTable {
            family,
            schema: &schema,
            shard_rows: self.config.shard_size,
            unit: "candidates",
        };
        let artifact = table.complete(context, &producer(context, Some(self.dtype)), &blocks, |work| {
            worker.compute(&prompts[work.prompt], work)
        })?;
        let rows = artifact.rows.unwrap_or_default();
        Ok(StageOutput::one("candidates", artifact)
            .with_metric("prompts", prompts.len())
            .with_metric("candidates", rows)
            .with_metric("truncated_prompts", truncated))
    }

    /// Cuts each prompt's seed indices into batches that start at multiples of the batch size.
    fn blocks(
        &self,
        family: &FamilyKey,
        prompts: &[Prompt],
        batch_size: u32,
    ) -> Result<Vec<Block<CandidateBatch>>, StageError> {
        let (start, count) = (self.config.first_seed_index, self.config.candidates_per_prompt);
        let end = start + count;
        let mut blocks = Vec::new();
        for (prompt, Prompt { id, text }) in prompts.iter().enumerate() {
            let mut first = start / batch_size * batch_size;
            while first < end {
                let wanted = first.max(start)..first.saturating_add(batch_size).min(end);
                let item = |seed_index: u32| KeyIngredients::item_key(family, &(text.as_str(), seed_index));
                let items = wanted.clone().map(item).collect::<Result<_, _>>()?;
                blocks.push(Block {
                    work: CandidateBatch {
                        prompt,
                        first,
                        wanted,
                    },
                    prompt_id: id.clone(),
                    items,
                });
                first = first.saturating_add(batch_size);
            }
        }
        Ok(blocks)
    }
}

impl Worker<'_> {
    /// Loads the model and encodes what stands beside the prompts, the first time.
    fn ready(&self) -> Result<(&DiffusionModel, &Unprompted), StageError> {
        let model = self.model.loaded()?;
        if let Some(unprompted) = self.unprompted.get() {
            return Ok((model, unprompted));
        }
        let size = model.image_size(self.latent_shape);
        let negative = &self.stage.config.negative_prompt;
        let made = unprompted(model, self.sampler.clone(), negative, size, self.device)?;
        Ok((model, self.unprompted.get_or_init(|| made)))
    }

    fn compute(&self, prompt: &Prompt, work: &CandidateBatch) -> Result<RecordBatch, StageError> {
        let (model, unprompted) = self.ready()?;
        let size = model.image_size(self.latent_shape);
        let encoded = model
            .encode_prompts(&[prompt.text.as_str()], size, self.device)
            .map_err(StageError::failed)?;
        let indices: Vec<u32> = (0..self.batch_size)
            .map(|offset| work.first.wrapping_add(offset))
            .collect();
        let mut go_on = |_| ControlFlow::Continue(());
        let candidates = unprompted
            .sampler
            .generate_candidates(
                model.denoiser(),
                &encoded.conditioning,
                &unprompted.encoded.conditioning,
                &text_key(&prompt.text),
                &indices,
                self.latent_shape,
                &mut go_on,
            )
            .map_err(|source| {
                StageError::failed(GenerateError {
                    prompt: prompt.text.clone(),
                    source,
                })
            })?;
        let wanted: Vec<&Candidate> = candidates
            .iter()
            .filter(|candidate| work.wanted.contains(&candidate.seed_index))
            .collect();
        let images = if self.stage.config.images {
            Some(self.decode(model, &candidates)?)
        } else {
            None
        };
        let png = |candidate: &Candidate| {
            images
                .as_ref()
                .map(|images| images[(candidate.seed_index - work.first) as usize].as_slice())
        };
        let rows: Vec<CandidateRow<'_>> = wanted
            .into_iter()
            .map(|candidate| CandidateRow {
                prompt_id: &prompt.id,
                prompt: &prompt.text,
                seed: self.stage.seed,
                candidate,
                latent_shape: self.latent_shape,
                png: png(candidate),
            })
            .collect();
        batch(&rows).map_err(StageError::failed)
    }

    fn decode(&self, model: &DiffusionModel, candidates: &[Candidate]) -> Result<Vec<Vec<u8>>, StageError> {
        let decoder = LatentDecoder::of(model, self.device, self.latent_shape, candidates.len());
        let latents = candidates.iter().map(|candidate| candidate.latent.as_slice());
        decoder.decode_to_png(latents).map_err(StageError::failed)
    }
}

/// A batch that could not be sampled.
#[derive(Debug, thiserror::Error)]
#[error("Candidates of prompt `{prompt}` could not be generated")]
struct GenerateError {
    prompt: String,
    source: SamplerError,
}

fn read_prompts(context: &StageContext<'_>) -> Result<Vec<Prompt>, StageError> {
    let mut prompts = Vec::new();
    for batch in context
        .store()
        .artifacts()
        .read_table(context.input("prompts")?, Some(&["prompt_id", "prompt"]))?
    {
        let batch = batch?;
        let ids = string_column(&batch, "prompt_id").map_err(StageError::failed)?;
        let texts = string_column(&batch, "prompt").map_err(StageError::failed)?;
        for row in 0..ids.len() {
            prompts.push(Prompt {
                id: ids.value(row).to_owned(),
                text: texts.value(row).to_owned(),
            });
        }
    }
    Ok(prompts)
}

/// Tells how many prompts are longer than the text encoder reads.
fn report_truncated(
    context: &StageContext<'_>,
    tokenizer: &Tokenizer,
    prompts: &[Prompt],
) -> Result<usize, StageError> {
    let mut truncated = Vec::new();
    for prompt in prompts {
        if tokenizer
            .encode(&prompt.text)
            .map_err(StageError::failed)?
            .truncated
        {
            truncated.push(prompt.text.as_str());
        }
    }
    if let Some(first) = truncated.first() {
        let start: String = first.chars().take(60).collect();
        context.progress().message(&format!(
            "{} of {} prompts are longer than the text encoder reads; their ends are cut off, as CLIP does. The first \
             one begins `{start}`",
            truncated.len(),
            prompts.len()
        ));
    }
    Ok(truncated.len())
}
