//! The computation of the stage.

use std::ops::ControlFlow;
use std::sync::Arc;

use arrow_array::types::{Int32Type, UInt32Type};
use arrow_array::{Array, ArrayRef, Float64Array, RecordBatch, StringArray, UInt32Array};
use arrow_schema::SchemaRef;
use burn::tensor::{Device, Tensor, TensorData};
use mitune_diffusion::forward_scores::{ForwardScoreError, ForwardScorer, ForwardScores};
use mitune_diffusion::model::DiffusionModel;
use mitune_diffusion::noise::text_key;
use mitune_store::{Artifact, ContentDigest, FamilyKey, ItemKey, Value, row_digests};

use super::config::{REVISION, RNG, Score};
use crate::columns::{f32_list, list_column, number_column, string_column};
use crate::item_blocks::{Block, ItemTable};
use crate::model_source::ADAPTER_PORT;
use crate::producer::producer;
use crate::schema;
use crate::stage::{StageContext, StageError, StageOutput};

/// The columns, in the order of the table.
const COLUMNS: [&str; 4] = ["mi_signed", "mi_forward", "itm", "itm_normalised"];

/// What a score depends on of a candidate.
const READ: [&str; 5] = ["prompt_id", "prompt", "seed_index", "latent", "latent_shape"];

/// Candidates in a batch by default, fewer where their latents are large.
const BATCH: usize = 8;

/// Latent elements that the default batch holds at most.
const BATCH_ELEMENTS: usize = 131_072;

/// A finished candidate.
#[derive(Clone)]
struct Finished {
    prompt_id: String,
    prompt: String,
    seed_index: u32,
    latent: Vec<f32>,
    shape: [usize; 3],
    item: ItemKey,
}

/// Candidates of one prompt at fixed places of a batch.
type Batch = Vec<Finished>;

/// Everything a batch needs.
struct Worker<'a> {
    scorer: ForwardScorer,
    model: &'a DiffusionModel,
    device: &'a Device,
    unconditional: Tensor<3>,
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
    #[error(
        "Candidate {seed_index} of prompt `{prompt}` has {found} latent elements, its shape {shape:?} says {expected}"
    )]
    Latent {
        prompt: String,
        seed_index: u32,
        found: usize,
        expected: usize,
        shape: Vec<i32>,
    },
    #[error("Latents of prompt `{prompt}` differ in shape: {first:?} and {other:?}")]
    Shapes {
        prompt: String,
        first: [usize; 3],
        other: [usize; 3],
    },
}

impl Score {
    pub(super) fn score(&self, context: &StageContext<'_>) -> Result<StageOutput, StageError> {
        let open = self.model.open(context)?;
        let device = context.device()?;
        let adapter = context.optional_input(ADAPTER_PORT);
        let model = open.load(context, adapter, device, self.dtype)?;
        let family = self.family(open.digest()?, adapter)?;
        let candidates = read_candidates(context, &family)?;
        let elements = candidates
            .first()
            .map_or(1, |candidate| candidate.latent.len().max(1));
        let batch_size = self
            .config
            .batch_size
            .unwrap_or((BATCH_ELEMENTS / elements).clamp(1, BATCH));
        let batch_size = u32::try_from(batch_size).unwrap_or(u32::MAX);
        let blocks = blocks(candidates, batch_size);
        let scorer = ForwardScorer::new(&model.scheduler_config, &self.settings())
            .map_err(StageError::configuration)?;
        let negative = [self.config.negative_prompt.as_str()];
        let unconditional = model
            .encode_prompts(&negative, device)
            .map_err(StageError::failed)?
            .context;
        let schema = schema::scores(&COLUMNS);
        let worker = Worker {
            scorer,
            model: &model,
            device,
            unconditional,
            batch_size,
            schema: schema.clone(),
        };
        let table = ItemTable {
            family,
            schema: &schema,
            shard_rows: self.config.shard_size,
            unit: "candidates",
        };
        let artifact = table.complete(context, &producer(context, Some(self.dtype)), &blocks, |batch| {
            worker.compute(batch)
        })?;
        let rows = artifact.rows.unwrap_or_default();
        Ok(StageOutput::one("scores", artifact).with_metric("candidates", rows))
    }

    fn family(&self, model: ContentDigest, adapter: Option<&Artifact>) -> Result<FamilyKey, StageError> {
        use crate::stage::Stage;
        let text = |text: String| Value::Text(text);
        let common = Value::map([
            ("kind", text("score".to_owned())),
            ("revision", Value::from_serialize(&REVISION)?),
            ("config", self.config()?),
            ("model", text(model.to_string())),
            (
                "adapter",
                adapter.map_or(Value::Null, |adapter| text(adapter.content.to_string())),
            ),
            ("dtype", text(self.dtype.name().to_owned())),
            ("rng", text(RNG.to_owned())),
        ]);
        Ok(FamilyKey::derive(&common)?)
    }
}

impl Worker<'_> {
    /// Scores a batch; places that no candidate takes are filled up, so that the batch keeps its shape.
    fn compute(&self, batch: &Batch) -> Result<RecordBatch, StageError> {
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
        let encoded = self
            .model
            .encode_prompts(&[first.prompt.as_str()], self.device)
            .map_err(StageError::failed)?;
        let mut go_on = |_| ControlFlow::Continue(());
        let scores = self
            .scorer
            .score(
                &self.model.unet,
                &latents,
                &encoded.context,
                &self.unconditional,
                &text_key(&first.prompt),
                &mut go_on,
            )
            .map_err(|source| {
                StageError::failed(ScoreError::Prompt {
                    prompt: first.prompt.clone(),
                    source,
                })
            })?;
        let scores: Vec<&ForwardScores> = batch
            .iter()
            .map(|candidate| &scores[(candidate.seed_index % self.batch_size) as usize])
            .collect();
        self.rows(batch, &scores)
    }

    fn rows(&self, batch: &Batch, scores: &[&ForwardScores]) -> Result<RecordBatch, StageError> {
        let column = |value: fn(&ForwardScores) -> f64| -> ArrayRef {
            Arc::new(Float64Array::from_iter_values(
                scores.iter().map(|scores| value(scores)),
            ))
        };
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from_iter_values(
                batch.iter().map(|candidate| &candidate.prompt_id),
            )),
            Arc::new(UInt32Array::from_iter_values(
                batch.iter().map(|candidate| candidate.seed_index),
            )),
            column(|scores| scores.mi_signed),
            column(|scores| scores.mi_forward),
            column(|scores| scores.itm),
            column(|scores| scores.itm_normalised),
        ];
        RecordBatch::try_new(self.schema.clone(), columns).map_err(StageError::failed)
    }
}

/// Reads all candidates. An item is named by the candidate's content, wherever it came from.
fn read_candidates(context: &StageContext<'_>, family: &FamilyKey) -> Result<Vec<Finished>, StageError> {
    let mut candidates = Vec::new();
    for batch in context
        .store()
        .read_table(context.input("candidates")?, Some(&READ))?
    {
        let batch = batch?;
        let digests = row_digests(&batch).map_err(StageError::failed)?;
        let ids = string_column(&batch, "prompt_id").map_err(StageError::failed)?;
        let prompts = string_column(&batch, "prompt").map_err(StageError::failed)?;
        let seed_indices = number_column::<UInt32Type>(&batch, "seed_index").map_err(StageError::failed)?;
        let latents = list_column(&batch, "latent").map_err(StageError::failed)?;
        let shapes = list_column(&batch, "latent_shape").map_err(StageError::failed)?;
        for row in 0..batch.num_rows() {
            let latent = f32_list(latents, "latent", row).map_err(StageError::failed)?;
            let shape = shapes.value(row);
            let shape: Vec<i32> = shape
                .as_any()
                .downcast_ref::<arrow_array::PrimitiveArray<Int32Type>>()
                .map(|shape| shape.values().to_vec())
                .unwrap_or_default();
            let (prompt, seed_index) = (prompts.value(row).to_owned(), seed_indices.value(row));
            let extents: Vec<usize> = shape
                .iter()
                .filter_map(|&extent| usize::try_from(extent).ok())
                .collect();
            let expected = extents.iter().product();
            let Ok(extents) = <[usize; 3]>::try_from(extents.as_slice()) else {
                let found = latent.len();
                return Err(StageError::failed(ScoreError::Latent {
                    prompt,
                    seed_index,
                    found,
                    expected,
                    shape,
                }));
            };
            if latent.len() != expected {
                let found = latent.len();
                return Err(StageError::failed(ScoreError::Latent {
                    prompt,
                    seed_index,
                    found,
                    expected,
                    shape,
                }));
            }
            candidates.push(Finished {
                prompt_id: ids.value(row).to_owned(),
                prompt,
                seed_index,
                latent,
                shape: extents,
                item: ItemKey::derive(family, &Value::Text(digests[row].to_string()))?,
            });
        }
    }
    Ok(candidates)
}

/// Groups candidates of one prompt whose seed indices belong to one batch, in the order of the table.
fn blocks(candidates: Vec<Finished>, batch_size: u32) -> Vec<Block<Batch>> {
    let mut blocks: Vec<Block<Batch>> = Vec::new();
    let mut last = None;
    for candidate in candidates {
        let group = (candidate.prompt_id.clone(), candidate.seed_index / batch_size);
        match blocks.last_mut() {
            Some(block) if last.as_ref() == Some(&group) => {
                block.items.push(candidate.item);
                block.work.push(candidate);
            }
            _ => {
                blocks.push(Block {
                    items: vec![candidate.item],
                    work: vec![candidate],
                });
                last = Some(group);
            }
        }
    }
    blocks
}
