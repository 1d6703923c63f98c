//! The computation of the stage.

use std::cell::{OnceCell, RefCell};
use std::ops::ControlFlow;
use std::rc::Rc;

use arrow_array::RecordBatch;
use burn::tensor::Device;
use mitune_diffusion::model::DiffusionModel;
use mitune_diffusion::noise::text_key;
use mitune_diffusion::sampler::{Candidate, CandidateRequest, Sampler, SamplerError};
use mitune_store::FamilyKey;

use super::config::{Generate, SELECTING};
use super::evaluations::Evaluations;
use super::guided_sampler::{GuidedPrompt, GuidedSampler, lacks_attention};
use super::prompts::{Prompt, read_prompts, report_truncated, report_without};
use super::rows::{CandidateRow, batch};
use crate::contract::demand::check_batch;
use crate::contract::{ItemFamily, KeyIngredients, StageContext, StageError, StageOutput};
use crate::items::item_blocks::{Block, ItemTable};
use crate::items::producer::producer;
use crate::models::batch_size::default_batch_size;
use crate::models::identified_model::IdentifiedModel;
use crate::models::latent_decoder::LatentDecoder;
use crate::models::latent_shape::latent_shape;
use crate::tables::schema;

/// Candidates of one prompt that are computed together.
struct CandidateBatch {
    prompt: usize,
    /// First seed index of the batch; the batch always has its full size.
    first: u32,
    /// Seed indices of the batch that are wanted.
    wanted: std::ops::Range<u32>,
}

/// Everything a batch needs.
struct Worker<'a> {
    stage: &'a Generate,
    model: IdentifiedModel<'a>,
    device: &'a Device,
    sampler: Sampler,
    /// What needs the model, made when something is first computed.
    guided: OnceCell<GuidedSampler>,
    /// The prompt that was encoded last, by its place in the table: its batches follow each other.
    encoded: RefCell<Option<(usize, Rc<GuidedPrompt>)>>,
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
        let method = &self.config.guidance_method;
        let without = report_without(context, method, directory.tokenizer(), &prompts)?;
        let evaluations = Evaluations::of_candidate(method, &sampler, &self.config.negative_prompt);
        let worker = Worker {
            stage: self,
            model,
            device: context.device()?,
            sampler,
            guided: OnceCell::new(),
            encoded: RefCell::new(None),
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
        let output = StageOutput::one("candidates", artifact)
            .with_metric("prompts", prompts.len())
            .with_metric("candidates", rows)
            .with_metric("truncated_prompts", truncated);
        let unsteered = without.unwrap_or_default() as u64 * u64::from(self.config.candidates_per_prompt);
        let output = evaluations.report(output, rows, unsteered);
        let output = match method.is_classifier_free() {
            true => output,
            false => output.with_metric("guidance_method", method.name()),
        };
        Ok(match method.looks_for().zip(without) {
            Some((missing, count)) => output.with_metric(&format!("prompts_without_{missing}"), count),
            None => output,
        })
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
    fn ready(&self) -> Result<(&DiffusionModel, &GuidedSampler), StageError> {
        let model = self.model.loaded()?;
        if let Some(guided) = self.guided.get() {
            return Ok((model, guided));
        }
        let config = &self.stage.config;
        let made = GuidedSampler::new(
            model,
            &config.guidance_method,
            self.sampler.clone(),
            &config.negative_prompt,
            model.image_size(self.latent_shape),
            self.device,
        )?;
        Ok((model, self.guided.get_or_init(|| made)))
    }

    /// Encodes a prompt, unless it was the last one.
    fn encoded(&self, place: usize, prompt: &str) -> Result<Rc<GuidedPrompt>, StageError> {
        if let Some((last, encoded)) = &*self.encoded.borrow()
            && *last == place
        {
            return Ok(Rc::clone(encoded));
        }
        let (model, guided) = self.ready()?;
        let encoded = Rc::new(guided.encode(model, prompt, self.device)?);
        *self.encoded.borrow_mut() = Some((place, Rc::clone(&encoded)));
        Ok(encoded)
    }

    fn compute(&self, prompt: &Prompt, work: &CandidateBatch) -> Result<RecordBatch, StageError> {
        let (model, guided) = self.ready()?;
        let encoded = self.encoded(work.prompt, &prompt.text)?;
        let key = text_key(&prompt.text);
        let requests: Vec<CandidateRequest<'_>> = (0..self.batch_size)
            .map(|offset| CandidateRequest {
                prompt: &key,
                seed_index: work.first.wrapping_add(offset),
                conditioning: &encoded.conditioning,
            })
            .collect();
        let mut go_on = |_| ControlFlow::Continue(());
        let candidates = guided
            .candidates(model, &encoded, &requests, self.latent_shape, None, &mut go_on)
            .map_err(|source| {
                let is_setting = lacks_attention(&source);
                let error = GenerateError {
                    prompt: prompt.text.clone(),
                    source,
                };
                match is_setting {
                    true => StageError::configuration(error),
                    false => StageError::failed(error),
                }
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
