//! The prompts of rollouts: which one each rollout has, and what the networks are told of it.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::ops::Range;

use burn::tensor::Device;
use mitune_diffusion::conditioning::Conditioning;
use mitune_diffusion::model::DiffusionModel;
use mitune_diffusion::training::Draws;

use crate::contract::{StageContext, StageError};
use crate::tables::columns::string_column;

/// Prompts that are encoded together.
const ENCODED_TOGETHER: usize = 16;

/// There is nothing to generate images of.
#[derive(Debug, thiserror::Error)]
#[error("The table of prompts is empty")]
struct NoPrompts;

/// The rows of a table of prompts, and the different texts among them.
pub(super) struct RolloutPrompts {
    pub(super) texts: Vec<String>,
    /// The text of each row, by its place in `texts`.
    rows: Vec<usize>,
}

impl RolloutPrompts {
    pub(super) fn read(context: &StageContext<'_>) -> Result<Self, StageError> {
        let mut prompts = Self {
            texts: Vec::new(),
            rows: Vec::new(),
        };
        let mut places: HashMap<String, usize> = HashMap::new();
        let table = context.input("prompts")?;
        for batch in context.store().artifacts().read_table(table, Some(&["prompt"]))? {
            let batch = batch?;
            for text in string_column(&batch, "prompt").map_err(StageError::failed)? {
                let text = text.unwrap_or_default();
                let place = *places.entry(text.to_owned()).or_insert_with(|| {
                    prompts.texts.push(text.to_owned());
                    prompts.texts.len() - 1
                });
                prompts.rows.push(place);
            }
        }
        match prompts.rows.is_empty() {
            true => Err(StageError::configuration(NoPrompts)),
            false => Ok(prompts),
        }
    }

    /// The prompts of these rollouts, by their places in `texts`, along an endless shuffled walk over the rows.
    pub(super) fn of_rollouts(&self, seed: u64, rollouts: Range<u64>, samples_per_prompt: u64) -> Vec<usize> {
        let rows = NonZeroUsize::new(self.rows.len()).unwrap_or(NonZeroUsize::MIN);
        let first = rollouts.start / samples_per_prompt;
        let walk = Draws::new(seed).items(first..rollouts.end.div_ceil(samples_per_prompt), rows);
        rollouts
            .map(|rollout| self.rows[walk[(rollout / samples_per_prompt - first) as usize]])
            .collect()
    }
}

/// Encoded prompts.
pub(super) struct Encodings {
    /// One row per text, on the device.
    contexts: Vec<Conditioning>,
    /// What guidance steers away from, one row.
    pub(super) unconditional: Conditioning,
    /// One vector per text, for the value network.
    pub(super) pooled: Vec<Vec<f32>>,
    /// Texts whose end was cut off.
    pub(super) truncated: usize,
}

impl Encodings {
    /// Encodes all texts for images of latents of a shape.
    pub(super) fn of(
        prompts: &RolloutPrompts,
        model: &DiffusionModel,
        latent_shape: [usize; 3],
        device: &Device,
    ) -> Result<Self, StageError> {
        let size = model.image_size(latent_shape);
        let negative = model
            .encode_negative("", size, device)
            .map_err(StageError::failed)?;
        let mut encodings = Self {
            contexts: Vec::with_capacity(prompts.texts.len()),
            unconditional: negative.conditioning,
            pooled: Vec::with_capacity(prompts.texts.len()),
            truncated: 0,
        };
        let texts: Vec<&str> = prompts.texts.iter().map(String::as_str).collect();
        for texts in texts.chunks(ENCODED_TOGETHER) {
            let encoded = model
                .encode_prompts(texts, size, device)
                .map_err(StageError::failed)?;
            encodings.truncated += encoded.truncated.iter().filter(|truncated| **truncated).count();
            let rows = (0..texts.len()).map(|row| encoded.conditioning.clone().narrow(row, 1));
            encodings.contexts.extend(rows);
            let pooled = model.pooled_prompts(texts, device).map_err(StageError::failed)?;
            let width = pooled.dims()[1].max(1);
            let values: Vec<f32> = pooled.try_into_vec_as().map_err(StageError::failed)?;
            encodings.pooled.extend(values.chunks(width).map(<[f32]>::to_vec));
        }
        Ok(encodings)
    }

    /// How many numbers the vector of a text has.
    pub(super) fn pooled_width(&self) -> usize {
        self.pooled.first().map_or(0, Vec::len)
    }

    /// One row for each of these texts.
    pub(super) fn rows(&self, texts: impl IntoIterator<Item = usize>) -> Conditioning {
        let rows = texts.into_iter().map(|text| self.contexts[text].clone());
        Conditioning::cat(rows.collect())
    }
}
