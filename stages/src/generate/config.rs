//! Settings of the stage, and the stage they make.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mitune_diffusion::model::ModelDirectory;
use mitune_diffusion::sampler::{Sampler, SamplerSettings};
use mitune_judges::noun_phrases;
use mitune_store::{ContentDigest, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::guidance_method::GuidanceMethod;
use super::sampling_config::{MutualInformationConfig, SamplerConfig};
use crate::contract::demand::{check_batch, check_candidates};
use crate::contract::reference::Reference;
use crate::contract::setting_defaults::whole;
use crate::contract::setting_limits::MOST_CANDIDATES;
use crate::contract::{
    ADAPTER_PORT, Content, Dtype, ExpectedTable, ExternalDigests, InputPort, OutputPort, Stage, StageConfig,
    StageContext, StageDefaults, StageError, StageOutput, keyed_config,
};
use crate::items::item_blocks::check_batch_size;
use crate::models::latent_shape::latent_shape;
use crate::models::model_source::ModelSource;
use crate::tables::schema;

/// Generates candidates of every prompt and scores each by its mutual information with the prompt.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GenerateConfig {
    /// The prompts.
    pub prompts: Reference,
    /// Model directory, relative to the pipeline. By default, the pipeline's `model`.
    #[serde(default)]
    pub model: Option<PathBuf>,
    /// A model made by another stage, in place of `model`.
    #[serde(default)]
    pub model_from: Option<Reference>,
    /// Adapter that the denoiser wears. By default none, the base model.
    #[serde(default)]
    pub adapter: Option<Reference>,
    /// Candidates of each prompt (M of the paper). By default, 50. Raising it generates only the new ones.
    #[serde(default = "whole::<u32, 50>")]
    pub candidates_per_prompt: u32,
    /// Seed index of the first candidate. By default, 0.
    #[serde(default)]
    pub first_seed_index: u32,
    /// Seed of all noise. By default, the pipeline's.
    #[serde(default)]
    pub seed: Option<u64>,
    /// How images are sampled.
    #[serde(default)]
    pub sampler: SamplerConfig,
    /// How the prompt guides the denoiser. By default, `classifier_free`.
    #[serde(default, skip_serializing_if = "GuidanceMethod::is_classifier_free")]
    pub guidance_method: GuidanceMethod,
    /// How mutual information is estimated.
    #[serde(default)]
    pub mutual_information: MutualInformationConfig,
    /// What guidance steers away from. By default empty. The score compares with the empty prompt all the same, which
    /// takes a third prediction in every step, half as much time again.
    #[serde(default)]
    pub negative_prompt: String,
    /// Height in pixels. By default, what the model was trained for.
    #[serde(default)]
    pub height: Option<usize>,
    /// Width in pixels. By default, what the model was trained for.
    #[serde(default)]
    pub width: Option<usize>,
    /// Whether to decode every candidate to pixels. By default false: later stages decode what they need.
    #[serde(default)]
    pub images: bool,
    /// Candidates of one prompt that are computed together. By default, 8, fewer where latents are larger than 16,384
    /// elements. A batch is always computed in full, so choose a divisor of the number of candidates. It is part of
    /// the key, because the last digits depend on it.
    #[serde(default)]
    pub batch_size: Option<usize>,
    /// Candidates to a shard, which is what a killed process can lose. By default, 64.
    #[serde(default = "whole::<usize, 64>")]
    pub shard_size: usize,
}

/// A setting that no run can use.
#[derive(Debug, thiserror::Error)]
enum GenerateConfigError {
    #[error("Setting `{setting}` is 0, expected at least 1")]
    Zero { setting: &'static str },
    #[error("Setting `candidates_per_prompt` is {found}, more than {MOST_CANDIDATES}")]
    TooManyCandidates { found: u32 },
    #[error("Seed indices end at {last}, past the largest, {}", u32::MAX)]
    SeedIndices { last: u64 },
}

impl StageConfig for GenerateConfig {
    const KIND: &'static str = "generate";

    fn build(self, defaults: &StageDefaults) -> Result<Box<dyn Stage>, StageError> {
        let zero = |setting| Err(StageError::configuration(GenerateConfigError::Zero { setting }));
        if self.candidates_per_prompt == 0 {
            return zero("candidates_per_prompt");
        }
        if self.batch_size == Some(0) {
            return zero("batch_size");
        }
        if self.shard_size == 0 {
            return zero("shard_size");
        }
        if self.candidates_per_prompt > MOST_CANDIDATES {
            return Err(StageError::configuration(
                GenerateConfigError::TooManyCandidates {
                    found: self.candidates_per_prompt,
                },
            ));
        }
        check_batch_size(self.batch_size)?;
        self.guidance_method.check().map_err(StageError::configuration)?;
        let last = u64::from(self.first_seed_index) + u64::from(self.candidates_per_prompt);
        if last > u64::from(u32::MAX) {
            return Err(StageError::configuration(GenerateConfigError::SeedIndices {
                last,
            }));
        }
        let model = ModelSource::choose(self.model.as_deref(), self.model_from.as_ref(), defaults)?;
        let seed = self.seed.unwrap_or(defaults.seed);
        Ok(Box::new(Generate {
            config: Self {
                seed: Some(seed),
                mutual_information: self.mutual_information.resolved(),
                ..self
            },
            model,
            seed,
            dtype: defaults.dtype,
        }))
    }
}

/// The stage.
pub(super) struct Generate {
    pub(super) config: GenerateConfig,
    pub(super) model: ModelSource,
    pub(super) seed: u64,
    pub(super) dtype: Dtype,
}

/// Counts changes of meaning of this stage.
const REVISION: u32 = 2;

/// The noise algorithm and how it is seeded.
const RNG: &str = "blake3-xof box-muller, by (seed, prompt, seed index, step)/1";

/// Settings that change no candidate.
const NOT_KEYED: [&str; 5] = ["prompts", "model", "model_from", "adapter", "shard_size"];

/// Settings that only say which candidates are wanted.
pub(super) const SELECTING: [&str; 2] = ["candidates_per_prompt", "first_seed_index"];

impl Generate {
    /// The settings of the sampler.
    pub(super) fn sampler_settings(&self) -> SamplerSettings {
        self.config
            .sampler
            .settings(&self.config.mutual_information, self.seed)
    }
}

impl Stage for Generate {
    fn kind(&self) -> &'static str {
        GenerateConfig::KIND
    }

    fn revision(&self) -> u32 {
        REVISION
    }

    fn config(&self) -> Result<Value, StageError> {
        let mut keyed = keyed_config(&self.config, &NOT_KEYED)?;
        if let (Some(_), Value::Map(fields)) = (self.config.guidance_method.looks_for(), &mut keyed) {
            fields.insert("noun_phrases".to_owned(), Value::from(noun_phrases::REVISION));
        }
        Ok(keyed)
    }

    fn inputs(&self) -> Vec<InputPort> {
        vec![
            InputPort::one("prompts", &[Content::Prompts], &self.config.prompts),
            InputPort::optional(ADAPTER_PORT, &[Content::Adapter], self.config.adapter.as_ref()),
            self.model.port(),
        ]
    }

    fn outputs(&self) -> &'static [OutputPort] {
        &[OutputPort {
            name: "candidates",
            content: Content::Candidates,
        }]
    }

    fn external(&self, digests: &dyn ExternalDigests) -> Result<BTreeMap<String, ContentDigest>, StageError> {
        // What the model's own settings can tell is told before any other stage has worked.
        if let ModelSource::Directory(path) = &self.model {
            let model = ModelDirectory::open(path).map_err(StageError::configuration)?;
            let shape = latent_shape(
                &model.denoiser_shape(),
                model.vae_config(),
                self.config.height,
                self.config.width,
            )?;
            let batch_size = self.config.batch_size.unwrap_or(1);
            check_batch(batch_size, shape, &model.denoiser_shape())?;
            Sampler::new(model.scheduler_config(), &self.sampler_settings())
                .map_err(StageError::configuration)?;
        }
        self.model.external(digests)
    }

    fn shares_work(&self) -> bool {
        true
    }

    fn dtype(&self) -> Option<Dtype> {
        Some(self.dtype)
    }

    fn rng(&self) -> Option<&'static str> {
        Some(RNG)
    }

    fn model_directory(&self) -> Option<&Path> {
        match &self.model {
            ModelSource::Directory(path) => Some(path),
            ModelSource::Stage(_) => None,
        }
    }

    fn check_rows(&self, rows: &dyn Fn(&str) -> Option<u64>) -> Result<(), StageError> {
        check_candidates(rows("prompts").unwrap_or(0), self.config.candidates_per_prompt)
    }

    fn effort(&self, rows: &dyn Fn(&str) -> Option<u64>) -> Option<f64> {
        let candidates = rows("prompts")? as f64 * f64::from(self.config.candidates_per_prompt);
        let steps = self.config.sampler.steps;
        Some(candidates * (steps as f64 + self.config.guidance_method.further_steps(steps)))
    }

    fn expected_table(&self, output: &str, rows: &dyn Fn(&str) -> Option<u64>) -> Option<ExpectedTable> {
        (output == "candidates").then(|| ExpectedTable {
            columns: schema::candidates(),
            rows: rows("prompts").and_then(|rows| rows.checked_mul(self.config.candidates_per_prompt.into())),
        })
    }

    fn run(&self, context: &StageContext<'_>) -> Result<StageOutput, StageError> {
        self.generate(context)
    }
}
