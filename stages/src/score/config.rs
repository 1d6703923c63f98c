//! Settings of the stage, and the stage they make.

use std::collections::BTreeMap;
use std::path::PathBuf;

use mitune_diffusion::forward_scores::ForwardScoreSettings;
use mitune_diffusion::mutual_information::MiMode;
use mitune_store::{ContentDigest, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rows;
use super::scored_timesteps::{NoiseNaming, ScoredTimesteps};
use crate::contract::reference::Reference;
use crate::contract::setting_defaults::whole;
use crate::contract::{
    ADAPTER_PORT, Content, Dtype, ExpectedTable, ExternalDigests, InputPort, OutputPort, Stage, StageConfig,
    StageContext, StageDefaults, StageError, StageOutput, keyed_config,
};
use crate::items::item_blocks::check_batch_size;
use crate::models::model_source::ModelSource;

/// Scores finished candidates, or given images, by the denoiser's errors under forward noise.
///
/// One evaluation of the denoiser gives all of them: `mi_signed`, the signed log-ratio of the image with and without
/// the prompt; `mi_forward`, the paper's squared norm under forward noise; `itm`, the score of DiffusionITM for choosing
/// a caption; and `itm_normalised`, the same less its value without the prompt, for choosing an image. The last two are
/// norms as in DiffusionITM's code, and squares as in its paper in `itm_squared` and `itm_squared_normalised`. The first
/// two are in nats. By default they look at the timesteps of a generation and join them as it does, so that `mi_forward`
/// estimates the same number as `mi`, from forward noise in place of a trajectory.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScoreConfig {
    /// The candidates, or latents of given images.
    pub candidates: Reference,
    /// Model directory, relative to the pipeline. By default, the pipeline's `model`.
    #[serde(default)]
    pub model: Option<PathBuf>,
    /// A model made by another stage, in place of `model`.
    #[serde(default)]
    pub model_from: Option<Reference>,
    /// Adapter that the denoiser wears while it judges. By default none, the base model.
    #[serde(default)]
    pub adapter: Option<Reference>,
    /// Timesteps at which the denoiser is asked. By default, those of a generation with 50 steps of `ddpm`.
    #[serde(default)]
    pub timesteps: ScoredTimesteps,
    /// Noises at each timestep. By default, 1.
    #[serde(default = "whole::<usize, 1>")]
    pub noises: usize,
    /// Which candidates meet the same noises. By default, `bank`.
    #[serde(default)]
    pub noise: NoiseNaming,
    /// Whose weight, range and reduction join the terms of `mi_signed` and `mi_forward`. By default, `paper`.
    #[serde(default)]
    pub mode: MiMode,
    /// Has no meaning here and must be empty: scores compare with the empty prompt.
    #[serde(default)]
    pub negative_prompt: String,
    /// Seed of the noises. By default, the pipeline's.
    #[serde(default)]
    pub seed: Option<u64>,
    /// Candidates of one prompt that are computed together. By default, 8, fewer where latents are larger than 16,384
    /// elements. A batch is always computed in full, so choose a divisor of the number of candidates. It is part of
    /// the key, because the last digits depend on it.
    #[serde(default)]
    pub batch_size: Option<usize>,
    /// Candidates to a shard, which is what a killed process can lose. By default, 256.
    #[serde(default = "whole::<usize, 256>")]
    pub shard_size: usize,
}

/// A setting that no run can use.
#[derive(Debug, thiserror::Error)]
enum ScoreConfigError {
    #[error("Setting `{setting}` is 0, expected at least 1")]
    Zero { setting: &'static str },
    #[error(
        "Setting `negative_prompt` has no meaning in `score`, which compares with the empty prompt; leave it out"
    )]
    NegativePrompt,
}

impl StageConfig for ScoreConfig {
    const KIND: &'static str = "score";

    fn build(self, defaults: &StageDefaults) -> Result<Box<dyn Stage>, StageError> {
        let sizes = [
            ("timesteps.count", Some(self.timesteps.count)),
            ("noises", Some(self.noises)),
            ("batch_size", self.batch_size),
            ("shard_size", Some(self.shard_size)),
        ];
        if let Some((setting, _)) = sizes.into_iter().find(|(_, size)| *size == Some(0)) {
            return Err(StageError::configuration(ScoreConfigError::Zero { setting }));
        }
        if !self.negative_prompt.is_empty() {
            return Err(StageError::configuration(ScoreConfigError::NegativePrompt));
        }
        check_batch_size(self.batch_size)?;
        let model = ModelSource::choose(self.model.as_deref(), self.model_from.as_ref(), defaults)?;
        let seed = self.seed.unwrap_or(defaults.seed);
        let stage = Score {
            config: Self {
                seed: Some(seed),
                ..self
            },
            model,
            seed,
            dtype: defaults.dtype,
        };
        stage
            .config
            .timesteps
            .check()
            .map_err(StageError::configuration)?;
        Ok(Box::new(stage))
    }
}

/// The stage.
pub(super) struct Score {
    pub(super) config: ScoreConfig,
    pub(super) model: ModelSource,
    pub(super) seed: u64,
    pub(super) dtype: Dtype,
}

/// Counts changes of meaning of this stage.
const REVISION: u32 = 2;

/// The noise algorithm and how it is seeded.
const RNG: &str = "blake3-xof box-muller, forward, by (seed, bank or prompt, noise, timestep)/2";

/// Tables of finished images with their latents.
const FINISHED: &[Content] = &[Content::Candidates, Content::Latents];

/// Settings that change no score.
const NOT_KEYED: [&str; 5] = ["candidates", "model", "model_from", "adapter", "shard_size"];

impl Score {
    /// The settings of the scorer.
    pub(super) fn settings(&self) -> ForwardScoreSettings {
        ForwardScoreSettings {
            timesteps: self.config.timesteps.forward(),
            noises: self.config.noises,
            seed: self.seed,
            estimator: self.config.mode.parts(),
        }
    }
}

impl Stage for Score {
    fn kind(&self) -> &'static str {
        ScoreConfig::KIND
    }

    fn revision(&self) -> u32 {
        REVISION
    }

    fn config(&self) -> Result<Value, StageError> {
        keyed_config(&self.config, &NOT_KEYED)
    }

    fn inputs(&self) -> Vec<InputPort> {
        vec![
            InputPort::one("candidates", FINISHED, &self.config.candidates),
            InputPort::optional(ADAPTER_PORT, &[Content::Adapter], self.config.adapter.as_ref()),
            self.model.port(),
        ]
    }

    fn outputs(&self) -> &'static [OutputPort] {
        &[OutputPort {
            name: "scores",
            content: Content::Scores,
        }]
    }

    fn external(&self, digests: &dyn ExternalDigests) -> Result<BTreeMap<String, ContentDigest>, StageError> {
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

    fn effort(&self, rows: &dyn Fn(&str) -> Option<u64>) -> Option<f64> {
        let predictions = self.config.timesteps.count as f64 * self.config.noises as f64;
        Some(rows("candidates")? as f64 * predictions)
    }

    fn expected_table(&self, output: &str, rows: &dyn Fn(&str) -> Option<u64>) -> Option<ExpectedTable> {
        (output == "scores").then(|| ExpectedTable {
            columns: rows::schema(),
            rows: rows("candidates"),
        })
    }

    fn run(&self, context: &StageContext<'_>) -> Result<StageOutput, StageError> {
        self.score(context)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::trial::Trial;

    #[test]
    fn a_negative_prompt_is_refused_and_an_impossible_range_too() {
        let trial = Trial::new();
        let refused = |more: serde_json::Value| {
            let mut settings = json!({"candidates": "generate", "model": "model"});
            settings
                .as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            match trial.stage::<ScoreConfig>(settings) {
                Ok(_) => None,
                Err(error) => Some(error.to_string()),
            }
        };
        let said = refused(json!({"negative_prompt": "a blue square"})).unwrap();
        assert!(
            said.contains("`negative_prompt` has no meaning in `score`"),
            "{said}"
        );
        assert!(refused(json!({"timesteps": {"first": 5, "last": 7, "count": 9}})).is_some());
        assert_eq!(
            refused(json!({"negative_prompt": "", "timesteps": {"count": 20}})),
            None
        );
    }
}
