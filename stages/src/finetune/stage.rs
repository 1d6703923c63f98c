//! The stage that the settings make.

use std::collections::BTreeMap;

use mitune_diffusion::adapter::AdapterConfig;
use mitune_diffusion::training::{Decay, LearningRate, TrainerSettings};
use mitune_store::{ContentDigest, Value};

use super::config::FinetuneConfig;
use crate::contract::{
    ADAPTER_PORT, Content, Dtype, ExpectedTable, ExternalDigests, InputPort, OutputPort, Stage, StageConfig,
    StageContext, StageDefaults, StageError, StageOutput, keyed_config,
};
use crate::models::model_source::ModelSource;
use crate::tables::schema;

impl StageConfig for FinetuneConfig {
    const KIND: &'static str = "finetune";

    fn build(mut self, defaults: &StageDefaults) -> Result<Box<dyn Stage>, StageError> {
        self.check().map_err(StageError::configuration)?;
        let model = ModelSource::choose(self.model.as_deref(), self.model_from.as_ref(), defaults)?;
        let seed = *self.seed.get_or_insert(defaults.seed);
        self.init_seed.get_or_insert(seed);
        self.micro_batch = Some(self.effective_micro_batch());
        Ok(Box::new(Finetune { config: self, model }))
    }
}

/// Name of the port for further selections.
pub(super) const JOINT_PORT: &str = "joint_with";

/// The stage; its settings have every default filled in.
pub(super) struct Finetune {
    pub(super) config: FinetuneConfig,
    pub(super) model: ModelSource,
}

impl Finetune {
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

    pub(super) fn trainer_settings(&self) -> TrainerSettings {
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
}

impl Stage for Finetune {
    fn kind(&self) -> &'static str {
        FinetuneConfig::KIND
    }

    fn config(&self) -> Result<Value, StageError> {
        keyed_config(
            &self.config,
            &[
                "selection",
                JOINT_PORT,
                "model",
                "model_from",
                "adapter",
                "checkpoint_every",
            ],
        )
    }

    fn inputs(&self) -> Vec<InputPort> {
        let mut ports = vec![
            InputPort::one("selection", &[Content::Selection], &self.config.selection),
            InputPort::optional(ADAPTER_PORT, &[Content::Adapter], self.config.adapter.as_ref()),
            self.model.port(),
        ];
        // Left out where empty, so that trainings on one selection keep their keys.
        if !self.config.joint_with.is_empty() {
            let joint = &self.config.joint_with;
            ports.push(InputPort::many(JOINT_PORT, &[Content::Selection], joint));
        }
        ports
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
        self.model.external(digests)
    }

    fn dtype(&self) -> Option<Dtype> {
        Some(Dtype::F32)
    }

    fn rng(&self) -> Option<&'static str> {
        Some("blake3-xof box-muller, by (seed, purpose, position)/1")
    }

    fn effort(&self, _: &dyn Fn(&str) -> Option<u64>) -> Option<f64> {
        Some(self.config.steps as f64 * f64::from(self.config.batch_size.get()))
    }

    fn expected_table(&self, output: &str, _: &dyn Fn(&str) -> Option<u64>) -> Option<ExpectedTable> {
        (output == "losses").then(|| ExpectedTable {
            columns: schema::losses(),
            rows: Some(self.config.steps),
        })
    }

    fn run(&self, context: &StageContext<'_>) -> Result<StageOutput, StageError> {
        self.finetune(context)
    }
}
