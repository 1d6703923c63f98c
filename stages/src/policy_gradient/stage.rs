//! The stage that the settings make.

use std::collections::BTreeMap;

use mitune_diffusion::adapter::AdapterConfig;
use mitune_diffusion::training::{Decay, LearningRate, Optimizer, TrainerSettings};
use mitune_store::{ContentDigest, Value};

use super::config::PolicyGradientConfig;
use super::objective::{ObjectiveSettings, PolicyObjective};
use super::reward_judge::RewardSource;
use crate::contract::{
    ADAPTER_PORT, Content, Dtype, ExpectedTable, ExternalDigests, InputPort, OutputPort, Stage, StageConfig,
    StageContext, StageDefaults, StageError, StageOutput, keyed_config,
};
use crate::items::item_blocks::check_batch_size;
use crate::models::model_source::ModelSource;
use crate::tables::schema;

impl StageConfig for PolicyGradientConfig {
    const KIND: &'static str = "policy_gradient";

    fn build(mut self, defaults: &StageDefaults) -> Result<Box<dyn Stage>, StageError> {
        self.check().map_err(StageError::configuration)?;
        check_batch_size(self.sample_batch)?;
        let model = ModelSource::choose(self.model.as_deref(), self.model_from.as_ref(), defaults)?;
        let seed = *self.seed.get_or_insert(defaults.seed);
        self.init_seed.get_or_insert(seed);
        let source = RewardSource::choose(&self.judge, self.reward.as_deref(), &defaults.directory)?;
        self.reward = Some(source.column_name().to_owned());
        let rollouts = self.rollouts_per_iteration;
        if let PolicyObjective::Ddpo { batch_size, .. } = &mut self.objective {
            batch_size.get_or_insert(rollouts);
        }
        let objective = self.objective.settings(self.rollouts_per_iteration);
        Ok(Box::new(PolicyGradient {
            config: self,
            model,
            source,
            objective,
        }))
    }
}

/// The stage; its settings have every default filled in.
pub(super) struct PolicyGradient {
    pub(super) config: PolicyGradientConfig,
    pub(super) model: ModelSource,
    pub(super) source: RewardSource,
    pub(super) objective: ObjectiveSettings,
}

impl PolicyGradient {
    /// The shape of the adapter and where a fresh one starts.
    pub(super) fn adapter_config(&self) -> AdapterConfig {
        AdapterConfig {
            method: self.config.method,
            rank: self.config.rank.get() as usize,
            alpha: self.config.alpha,
            targets: self.config.targets.clone(),
            seed: self.config.init_seed.unwrap_or_default(),
        }
    }

    pub(super) fn trainer_settings(&self) -> TrainerSettings<Optimizer> {
        TrainerSettings {
            optimizer: self.config.optimizer,
            learning_rate: LearningRate {
                peak: self.config.learning_rate,
                warmup: self.config.warmup,
                decay: Decay::Constant,
            },
            clip_norm: self.config.clip_norm,
            average: None,
        }
    }

    pub(super) fn seed(&self) -> u64 {
        self.config.seed.unwrap_or_default()
    }
}

/// Settings that are keyed by their content, or that change no result; the judge is keyed by what it says of itself.
const NOT_KEYED: [&str; 6] = [
    "prompts",
    "judge",
    "model",
    "model_from",
    "adapter",
    "checkpoint_every",
];

impl Stage for PolicyGradient {
    fn kind(&self) -> &'static str {
        PolicyGradientConfig::KIND
    }

    fn config(&self) -> Result<Value, StageError> {
        let mut config = keyed_config(&self.config, &NOT_KEYED)?;
        if let Value::Map(fields) = &mut config {
            fields.insert("judge".to_owned(), self.source.keyed()?);
        }
        Ok(config)
    }

    fn inputs(&self) -> Vec<InputPort> {
        vec![
            InputPort::one("prompts", &[Content::Prompts], &self.config.prompts),
            InputPort::optional(ADAPTER_PORT, &[Content::Adapter], self.config.adapter.as_ref()),
            self.model.port(),
        ]
    }

    fn outputs(&self) -> &'static [OutputPort] {
        &[
            OutputPort {
                name: "adapter",
                content: Content::Adapter,
            },
            OutputPort {
                name: "losses",
                content: Content::Losses,
            },
        ]
    }

    fn external(&self, digests: &dyn ExternalDigests) -> Result<BTreeMap<String, ContentDigest>, StageError> {
        let mut external = self.source.external(digests)?;
        external.extend(self.model.external(digests)?);
        Ok(external)
    }

    fn dtype(&self) -> Option<Dtype> {
        Some(Dtype::F32)
    }

    fn rng(&self) -> Option<&'static str> {
        Some("blake3-xof box-muller, by (seed, purpose, number)/1")
    }

    fn effort(&self, _: &dyn Fn(&str) -> Option<u64>) -> Option<f64> {
        let rollouts = self.config.iterations as f64 * f64::from(self.config.rollouts_per_iteration.get());
        Some(rollouts * self.config.sampler.steps as f64)
    }

    fn expected_table(&self, output: &str, _: &dyn Fn(&str) -> Option<u64>) -> Option<ExpectedTable> {
        (output == "losses").then(|| ExpectedTable {
            columns: schema::losses_with(self.objective.curves()),
            rows: Some(self.config.iterations),
        })
    }

    fn run(&self, context: &StageContext<'_>) -> Result<StageOutput, StageError> {
        self.train(context)
    }
}
