//! Sampling, decoding and writing.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow_schema::{Schema, SchemaRef};
use mitune_diffusion::noise::{BatchNoise, ContentKey};
use mitune_diffusion::sampler::{Candidate, CandidateRequest, SamplerError, SamplerSettings, StepProgress};
use mitune_diffusion::torch_noise::TorchNoise;

use super::{GeneratedImage, OnePrompt, OnePromptError, RandomNumbers, TABLE, file_name};
use crate::contract::{Progress, StageError, Work};
use crate::generate::guidance_method::GuidanceMethod;
use crate::generate::guided_sampler::{GuidedPrompt, GuidedSampler, lacks_attention};
use crate::generate::rows::{CandidateRow, batch};
use crate::ingest::prompts::PromptIdentity;
use crate::models::batch_size::default_batch_size;
use crate::models::loaded_model::LoadedModel;
use crate::output_file::{OutputFileError, write_file, write_table};
use crate::tables::schema;

/// Everything a batch needs.
pub(super) struct Job<'a> {
    pub(super) plan: &'a OnePrompt,
    pub(super) loaded: &'a LoadedModel,
    pub(super) guided: &'a GuidedSampler,
    /// Steps of a batch.
    pub(super) evaluations: usize,
    pub(super) settings: &'a SamplerSettings,
    pub(super) method: &'a GuidanceMethod,
    pub(super) prompt: &'a GuidedPrompt,
    pub(super) key: ContentKey,
    pub(super) shape: [usize; 3],
    pub(super) progress: &'a dyn Progress,
    pub(super) cancelled: &'a AtomicBool,
}

impl Job<'_> {
    fn batch_size(&self) -> usize {
        default_batch_size(self.shape.iter().product())
    }

    /// Samples all candidates, batch after batch.
    pub(super) fn candidates(&self) -> Result<Vec<Candidate>, StageError> {
        let indices: Vec<u32> = (0..self.plan.count).collect();
        let batch = match self.plan.random_numbers {
            RandomNumbers::Counter => self.batch_size(),
            RandomNumbers::Torch => indices.len(),
        };
        let batches = indices.len().div_ceil(batch) as u64;
        self.progress.begin(Work {
            total: batches * self.evaluations as u64,
            reused: 0,
            unit: "steps",
        });
        let mut candidates = Vec::with_capacity(indices.len());
        for indices in indices.chunks(batch) {
            candidates.extend(self.sample(indices).map_err(|error| match error {
                SamplerError::Cancelled => StageError::Interrupted,
                error if lacks_attention(&error) => StageError::configuration(OnePromptError::Sampler(error)),
                error => StageError::failed(OnePromptError::Sampler(error)),
            })?);
        }
        Ok(candidates)
    }

    fn sample(&self, indices: &[u32]) -> Result<Vec<Candidate>, SamplerError> {
        let requests: Vec<CandidateRequest<'_>> = indices
            .iter()
            .map(|&seed_index| CandidateRequest {
                prompt: &self.key,
                seed_index,
                conditioning: &self.prompt.conditioning,
            })
            .collect();
        let mut on_step = |_: StepProgress| {
            self.progress.advance(1);
            match self.cancelled.load(Ordering::Relaxed) {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        };
        let mut torch = TorchNoise::new(self.plan.seed);
        let noise: Option<&mut dyn BatchNoise> = match self.plan.random_numbers {
            RandomNumbers::Counter => None,
            RandomNumbers::Torch => Some(&mut torch),
        };
        let model = &self.loaded.model;
        self.guided
            .candidates(model, self.prompt, &requests, self.shape, noise, &mut on_step)
    }

    /// Decodes and writes the images, then the table; if one of them cannot be written, none stays.
    ///
    /// The same command then starts again, as it would not if it found images that it must not overwrite.
    pub(super) fn write(&self, candidates: &[Candidate]) -> Result<Vec<GeneratedImage>, StageError> {
        let mut images = Vec::with_capacity(candidates.len());
        let written = self.write_files(candidates, &mut images);
        if written.is_err() {
            for image in &images {
                // What cannot be removed either is named by the next attempt.
                let _ = std::fs::remove_file(self.plan.out.join(&image.file));
            }
        }
        written.map(|()| images)
    }

    fn write_files(
        &self,
        candidates: &[Candidate],
        images: &mut Vec<GeneratedImage>,
    ) -> Result<(), StageError> {
        let out = &self.plan.out;
        std::fs::create_dir_all(out).map_err(|source| folder_error(out, source))?;
        let prompt_id = PromptIdentity::new(None, None, "inline", &self.plan.prompt, 0).prompt_id();
        let mut batches = Vec::new();
        for candidates in candidates.chunks(self.batch_size()) {
            let pngs = self.decode(candidates)?;
            for (candidate, png) in candidates.iter().zip(&pngs) {
                let file = file_name(candidate.seed_index);
                write_file(&out.join(&file), png).map_err(StageError::failed)?;
                images.push(GeneratedImage {
                    file,
                    seed_index: candidate.seed_index,
                    mi: candidate.mi,
                });
            }
            let rows: Vec<CandidateRow<'_>> = candidates
                .iter()
                .zip(&pngs)
                .map(|(candidate, png)| CandidateRow {
                    prompt_id: &prompt_id,
                    prompt: &self.plan.prompt,
                    seed: self.plan.seed,
                    candidate,
                    latent_shape: self.shape,
                    png: Some(png),
                })
                .collect();
            batches.push(batch(&rows).map_err(StageError::failed)?);
        }
        write_table(&out.join(TABLE), &self.schema(), &batches).map_err(StageError::failed)
    }

    /// The columns, with what the scores were estimated along as metadata.
    fn schema(&self) -> SchemaRef {
        let SamplerSettings {
            scheduler,
            steps,
            guidance,
            eta,
            ..
        } = self.settings;
        let schema = schema::candidates();
        let mut metadata = schema.metadata().clone();
        let along = [
            ("scheduler", scheduler.name().to_owned()),
            ("steps", steps.to_string()),
            ("guidance", guidance.to_string()),
            ("eta", eta.to_string()),
            ("negative_prompt", self.plan.negative.clone()),
        ];
        metadata.extend(along.map(|(name, value)| (format!("mitune.{name}"), value)));
        if !self.method.is_classifier_free() {
            metadata.insert("mitune.guidance_method".to_owned(), self.method.name().to_owned());
        }
        Arc::new(Schema::new_with_metadata(schema.fields().clone(), metadata))
    }

    fn decode(&self, candidates: &[Candidate]) -> Result<Vec<Vec<u8>>, StageError> {
        let decoder = self.loaded.latent_decoder(self.shape, candidates.len());
        let latents = candidates.iter().map(|candidate| candidate.latent.as_slice());
        decoder.decode_to_png(latents).map_err(StageError::failed)
    }
}

fn folder_error(path: &Path, source: std::io::Error) -> StageError {
    StageError::failed(OutputFileError::Write {
        path: path.to_owned(),
        source,
    })
}
