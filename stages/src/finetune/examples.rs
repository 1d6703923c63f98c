//! What an adapter is trained on, and which of it each update takes.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::ops::Range;

use burn::tensor::{DType, Device, Tensor, TensorData};
use mitune_diffusion::conditioning::Conditioning;
use mitune_diffusion::model::DiffusionModel;
use mitune_diffusion::prediction::PredictionType;
use mitune_diffusion::schedule::NoiseSchedule;
use mitune_diffusion::training::{ConditionedBatch, DenoisingBatch, Draws};
use mitune_store::{Artifact, Store};

use super::TimestepRange;
use crate::contract::StageError;
use crate::tables::latent_rows::{LATENT_COLUMNS, LatentError, LatentRows};

/// Prompts that are encoded together.
const ENCODED_TOGETHER: usize = 16;

/// Selected latents with their prompts.
pub(super) struct Examples {
    latents: Vec<Vec<f32>>,
    /// Channels, height and width of every latent.
    shape: [usize; 3],
    /// The prompt of each latent, by its place in `prompts`.
    prompt_of: Vec<usize>,
    prompts: Vec<String>,
}

/// Examples that cannot be trained on.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExamplesError {
    #[error("The selection is empty")]
    Empty,
    #[error(transparent)]
    Latent(#[from] LatentError),
    #[error("Latents have {found} channels, the model takes {expected}")]
    Channels { found: usize, expected: usize },
    #[error("Setting `timesteps` ends at {last}, the model's schedule at {end}")]
    Timesteps { last: usize, end: usize },
}

impl Examples {
    /// Reads the union of selections, in their order; what is in two of them counts twice.
    pub(super) fn read(store: &Store, selections: &[&Artifact]) -> Result<Self, StageError> {
        let mut examples = Self {
            latents: Vec::new(),
            shape: [0; 3],
            prompt_of: Vec::new(),
            prompts: Vec::new(),
        };
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        for selection in selections {
            for batch in store.artifacts().read_table(selection, Some(&LATENT_COLUMNS))? {
                let batch = batch?;
                let rows = LatentRows::of(&batch).map_err(StageError::failed)?;
                for row in 0..batch.num_rows() {
                    examples
                        .add(&rows, row, &mut places)
                        .map_err(StageError::failed)?;
                }
            }
        }
        if examples.latents.is_empty() {
            return Err(StageError::configuration(ExamplesError::Empty));
        }
        Ok(examples)
    }

    fn add(
        &mut self,
        rows: &LatentRows<'_>,
        row: usize,
        places: &mut BTreeMap<String, usize>,
    ) -> Result<(), ExamplesError> {
        let latent = rows.latent(row)?;
        let first = (!self.latents.is_empty()).then_some(self.shape);
        latent.check_shape(first, (rows.prompt_id(row), rows.seed_index(row)))?;
        self.shape = latent.shape;
        let prompt = rows.prompt(row);
        let place = *places.entry(prompt.to_owned()).or_insert_with(|| {
            self.prompts.push(prompt.to_owned());
            self.prompts.len() - 1
        });
        self.latents.push(latent.values);
        self.prompt_of.push(place);
        Ok(())
    }

    /// How many latents there are.
    pub(super) fn len(&self) -> usize {
        self.latents.len()
    }

    /// How many different prompts they have.
    pub(super) fn prompts(&self) -> usize {
        self.prompts.len()
    }

    /// Channels, height and width of every latent.
    pub(super) fn shape(&self) -> [usize; 3] {
        self.shape
    }

    pub(super) fn check_channels(&self, expected: usize) -> Result<(), ExamplesError> {
        match self.shape[0] {
            found if found == expected => Ok(()),
            found => Err(ExamplesError::Channels { found, expected }),
        }
    }
}

/// Encoded prompts, on the device.
pub(super) struct Contexts {
    /// One row per prompt.
    prompts: Vec<Conditioning>,
    empty: Conditioning,
    /// Prompts whose end was cut off.
    pub(super) truncated: usize,
}

impl Contexts {
    pub(super) fn encode(
        examples: &Examples,
        model: &DiffusionModel,
        device: &Device,
    ) -> Result<Self, StageError> {
        let size = model.image_size(examples.shape);
        let empty = model
            .encode_negative("", size, device)
            .map_err(StageError::failed)?;
        let mut contexts = Self {
            prompts: Vec::with_capacity(examples.prompts.len()),
            empty: empty.conditioning,
            truncated: 0,
        };
        let texts: Vec<&str> = examples.prompts.iter().map(String::as_str).collect();
        for texts in texts.chunks(ENCODED_TOGETHER) {
            let encoded = model
                .encode_prompts(texts, size, device)
                .map_err(StageError::failed)?;
            contexts.truncated += encoded.truncated.iter().filter(|truncated| **truncated).count();
            contexts
                .prompts
                .extend((0..texts.len()).map(|row| encoded.conditioning.clone().narrow(row, 1)));
        }
        Ok(contexts)
    }
}

/// Makes the batches of a training: which examples, at which timesteps, under which noise.
///
/// All of it follows from the seed and the positions in the training, so that an interrupted training has nothing to
/// remember but how far it was.
pub(super) struct Batches<'a> {
    pub(super) examples: &'a Examples,
    pub(super) contexts: &'a Contexts,
    pub(super) draws: Draws,
    pub(super) timesteps: Range<usize>,
    pub(super) caption_dropout: f64,
    pub(super) schedule: NoiseSchedule,
    pub(super) prediction: PredictionType,
    /// Device with gradients.
    pub(super) device: Device,
}

impl Batches<'_> {
    /// The timesteps of a setting, if the schedule has them.
    pub(super) fn timesteps(
        range: TimestepRange,
        schedule: &NoiseSchedule,
    ) -> Result<Range<usize>, ExamplesError> {
        match schedule.len() {
            length if range.last < length => Ok(range.first..range.last + 1),
            length => Err(ExamplesError::Timesteps {
                last: range.last,
                end: length.saturating_sub(1),
            }),
        }
    }

    /// The examples at these positions with their prompts.
    pub(super) fn batch(&self, positions: Range<u64>) -> ConditionedBatch<Conditioning> {
        let Examples {
            latents,
            shape: [channels, height, width],
            prompt_of,
            ..
        } = self.examples;
        let count = NonZeroUsize::new(latents.len()).unwrap_or(NonZeroUsize::MIN);
        let chosen = self.draws.items(positions.clone(), count);
        let elements = channels * height * width;
        let tensor = |values: Vec<f32>| {
            let data = TensorData::new(values, [chosen.len(), *channels, *height, *width]);
            Tensor::<4>::from_data(data, (&self.device, DType::F32))
        };
        let clean = tensor(
            chosen
                .iter()
                .flat_map(|&example| latents[example].iter().copied())
                .collect(),
        );
        let noise = tensor(self.draws.noise(positions.clone(), elements));
        let timesteps = self.draws.timesteps(positions.clone(), self.timesteps.clone());
        let dropped = self.draws.dropped(positions, self.caption_dropout);
        let contexts = chosen
            .iter()
            .zip(dropped)
            .map(|(&example, dropped)| match dropped {
                true => self.contexts.empty.clone(),
                false => self.contexts.prompts[prompt_of[example]].clone(),
            });
        let conditioning = Conditioning::cat(contexts.collect()).autodiff();
        let noised = DenoisingBatch::new(clean, noise, &timesteps, &self.schedule, self.prediction)
            .expect("the range of timesteps was checked against the schedule");
        ConditionedBatch { noised, conditioning }
    }
}
