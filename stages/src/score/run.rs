//! The computation of the stage.

use std::collections::HashSet;
use std::ops::ControlFlow;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use burn::tensor::{Device, Tensor, TensorData};
use mitune_diffusion::forward_scores::{ForwardScoreError, ForwardScorer};
use mitune_store::{FamilyKey, row_digests};

use super::config::Score;
use super::latents::{Finished, Latents};
use super::rows::{self, ScoredRow};
use super::scored_timesteps::NoiseNaming;
use crate::contract::demand::check_batch;
use crate::contract::{ItemFamily, KeyIngredients, StageContext, StageError, StageOutput};
use crate::items::candidate_blocks::{NamedCandidate, candidate_blocks};
use crate::items::item_blocks::ItemTable;
use crate::items::producer::producer;
use crate::models::batch_size::default_batch_size;
use crate::models::identified_model::IdentifiedModel;
use crate::tables::latent_rows::{LATENT_COLUMNS, LatentRows};

/// Everything a batch needs.
struct Worker<'a> {
    scorer: ForwardScorer,
    model: IdentifiedModel<'a>,
    device: &'a Device,
    noise: NoiseNaming,
    batch_size: u32,
    schema: SchemaRef,
}

/// Candidates that cannot be scored.
#[derive(Debug, thiserror::Error)]
enum ScoreError {
    #[error("Candidates of prompt `{prompt}` could not be scored")]
    Prompt {
        prompt: String,
        source: ForwardScoreError,
    },
    #[error("Latents of prompt `{prompt}` differ in shape: {first:?} and {other:?}")]
    Shapes {
        prompt: String,
        first: [usize; 3],
        other: [usize; 3],
    },
    #[error(
        "Image `{seed_index}` of prompt `{prompt}` is twice in the table; score the tables that it was mixed of, and mix \
         what is selected of each"
    )]
    Twice { prompt: String, seed_index: u32 },
}

impl Score {
    pub(super) fn score(&self, context: &StageContext<'_>) -> Result<StageOutput, StageError> {
        let model = IdentifiedModel::open(&self.model, context, self.dtype)?;
        let directory = model.directory();
        let family = context.family_key(&ItemFamily {
            item_ports: &["candidates"],
            model: Some(model.digest()),
            ..ItemFamily::default()
        })?;
        let (names, elements) = read_names(context, &family)?;
        let batch_size = self
            .config
            .batch_size
            .unwrap_or_else(|| default_batch_size(elements));
        let positions = elements / directory.denoiser_shape().latent_channels.max(1);
        check_batch(batch_size, [1, positions, 1], &directory.denoiser_shape())?;
        let batch_size = u32::try_from(batch_size).unwrap_or(u32::MAX);
        let blocks = candidate_blocks(names, batch_size);
        let mut latents = Latents::open(context.store(), context.input("candidates")?)?;
        let scorer = ForwardScorer::new(directory.scheduler_config(), &self.settings())
            .map_err(StageError::configuration)?;
        let schema = rows::schema();
        let worker = Worker {
            scorer,
            model,
            device: context.device()?,
            noise: self.config.noise,
            batch_size,
            schema: schema.clone(),
        };
        let table = ItemTable {
            family,
            schema: &schema,
            shard_rows: self.config.shard_size,
            unit: "candidates",
        };
        let artifact = table.complete(context, &producer(context, Some(self.dtype)), &blocks, |rows| {
            worker.compute(&latents.rows(rows)?)
        })?;
        let rows = artifact.rows.unwrap_or_default();
        // With the prompt and without it.
        let evaluations = rows * 2 * worker.scorer.evaluations() as u64;
        Ok(StageOutput::one("scores", artifact)
            .with_metric("candidates", rows)
            .with_metric("denoiser_evaluations", evaluations))
    }
}

impl Worker<'_> {
    /// Scores a batch; places that no candidate takes are filled up, so that the batch keeps its shape.
    fn compute(&self, batch: &[Finished]) -> Result<RecordBatch, StageError> {
        let Some(first) = batch.first() else {
            return Ok(RecordBatch::new_empty(self.schema.clone()));
        };
        let [channels, height, width] = first.shape;
        let size = channels * height * width;
        let mut values = vec![0.0; self.batch_size as usize * size];
        for candidate in batch {
            if candidate.shape != first.shape {
                return Err(StageError::failed(ScoreError::Shapes {
                    prompt: first.prompt.clone(),
                    first: first.shape,
                    other: candidate.shape,
                }));
            }
            let place = (candidate.seed_index % self.batch_size) as usize;
            values[place * size..][..size].copy_from_slice(&candidate.latent);
        }
        let shape = [self.batch_size as usize, channels, height, width];
        let latents = Tensor::<4>::from_data(TensorData::new(values, shape), self.device);
        let model = self.model.loaded()?;
        let size = model.image_size(first.shape);
        let encoded = model
            .encode_prompts(&[first.prompt.as_str()], size, self.device)
            .map_err(StageError::failed)?;
        let unconditional = model
            .encode_negative("", size, self.device)
            .map_err(StageError::failed)?;
        let mut go_on = |_| ControlFlow::Continue(());
        let errors = self
            .scorer
            .errors(
                model.denoiser(),
                &latents,
                &encoded.conditioning,
                &unconditional.conditioning,
                &self.noise.key(&first.prompt),
                &mut go_on,
            )
            .map_err(|source| {
                StageError::failed(ScoreError::Prompt {
                    prompt: first.prompt.clone(),
                    source,
                })
            })?;
        let rows: Vec<ScoredRow<'_>> = batch
            .iter()
            .map(|candidate| ScoredRow {
                candidate,
                errors: &errors[(candidate.seed_index % self.batch_size) as usize],
            })
            .collect();
        rows::batch(&self.scorer, &rows).map_err(StageError::failed)
    }
}

/// Names all candidates by their content, wherever they came from; latents are not kept.
fn read_names(
    context: &StageContext<'_>,
    family: &FamilyKey,
) -> Result<(Vec<NamedCandidate>, usize), StageError> {
    let mut names: Vec<NamedCandidate> = Vec::new();
    let mut elements = 1;
    // Those of the prompt of the rows before: rows of one prompt and one number would take one place of a batch.
    let mut seed_indices = HashSet::new();
    for batch in context
        .store()
        .artifacts()
        .read_table(context.input("candidates")?, Some(&LATENT_COLUMNS))?
    {
        let batch = batch?;
        let digests = row_digests(&without_prompt_id(&batch)?).map_err(StageError::failed)?;
        let rows = LatentRows::of(&batch).map_err(StageError::failed)?;
        for (row, digest) in digests.iter().enumerate() {
            elements = elements.max(rows.latent(row).map_err(StageError::failed)?.values.len());
            let is_first = |last: &NamedCandidate| last.prompt_id != rows.prompt_id(row);
            if names.last().is_none_or(is_first) {
                seed_indices.clear();
            }
            if !seed_indices.insert(rows.seed_index(row)) {
                return Err(StageError::configuration(ScoreError::Twice {
                    prompt: rows.prompt(row).to_owned(),
                    seed_index: rows.seed_index(row),
                }));
            }
            names.push(NamedCandidate {
                prompt_id: rows.prompt_id(row).to_owned(),
                seed_index: rows.seed_index(row),
                item: KeyIngredients::item_key(family, &digest.to_string())?,
            });
        }
    }
    Ok((names, elements))
}

/// Leaves out the name of the prompt, on which no score depends.
fn without_prompt_id(batch: &RecordBatch) -> Result<RecordBatch, StageError> {
    let schema = batch.schema();
    let fields = schema.fields().iter().enumerate();
    let kept: Vec<usize> = fields
        .filter_map(|(place, field)| (field.name() != "prompt_id").then_some(place))
        .collect();
    batch.project(&kept).map_err(StageError::failed)
}
