//! The stage that the settings make.

use std::collections::BTreeMap;

use mitune_diffusion::adapter::AdapterConfig;
use mitune_diffusion::training::{Decay, LearningRate, Optimizer, TrainerSettings};
use mitune_store::{ContentDigest, Value};

use super::config::FinetuneConfig;
use super::method::FinetuneMethod;
use super::network::MODEL_OUTPUT;
use super::ports::DATA_PORTS;
use crate::contract::{
    ADAPTER_PORT, Content, Dtype, ExpectedTable, ExternalDigests, InputPort, KnownInputs, MODEL_PORT,
    OutputPort, Stage, StageConfig, StageContext, StageDefaults, StageError, StageOutput, keyed_config,
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
        self.objective.fill_in();
        Ok(Box::new(Finetune { config: self, model }))
    }
}

const LOSSES: OutputPort = OutputPort {
    name: "losses",
    content: Content::Losses,
};

/// Settings without a meaning where all weights are trained, and then in no key.
const OF_ADAPTERS: [&str; 4] = ["rank", "alpha", "targets", "init_seed"];

/// The stage; its settings have every default filled in.
pub(super) struct Finetune {
    pub(super) config: FinetuneConfig,
    pub(super) model: ModelSource,
}

impl Finetune {
    /// The shape of the adapter and where a fresh one starts; none where all weights are trained.
    pub(super) fn adapter_config(&self) -> Option<AdapterConfig> {
        Some(AdapterConfig {
            method: self.config.method.adapter()?,
            rank: self.config.rank.get() as usize,
            alpha: self.config.alpha,
            targets: self.config.targets.clone(),
            seed: self.config.init_seed.unwrap_or_default(),
        })
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
}

impl Stage for Finetune {
    fn kind(&self) -> &'static str {
        FinetuneConfig::KIND
    }

    fn config(&self) -> Result<Value, StageError> {
        let others = ["model", MODEL_PORT, ADAPTER_PORT, "checkpoint_every"];
        let of_adapters: &[&str] = match self.config.method {
            FinetuneMethod::Lora | FinetuneMethod::Dora => &[],
            FinetuneMethod::Full => &OF_ADAPTERS,
        };
        keyed_config(&self.config, &[&DATA_PORTS[..], &others, of_adapters].concat())
    }

    fn inputs(&self) -> Vec<InputPort> {
        let mut ports: Vec<InputPort> = self.config.selection_port().into_iter().collect();
        ports.push(InputPort::optional(
            ADAPTER_PORT,
            &[Content::Adapter],
            self.config.adapter.as_ref(),
        ));
        ports.push(self.model.port());
        ports.extend(self.config.list_ports());
        ports
    }

    fn outputs(&self) -> &'static [OutputPort] {
        match self.config.method {
            FinetuneMethod::Lora | FinetuneMethod::Dora => &[
                OutputPort {
                    name: "adapter",
                    content: Content::Adapter,
                },
                LOSSES,
            ],
            FinetuneMethod::Full => &[
                OutputPort {
                    name: MODEL_OUTPUT,
                    content: Content::Model,
                },
                LOSSES,
            ],
        }
    }

    fn connected(&mut self, inputs: KnownInputs) -> Result<(), StageError> {
        let checked = self.config.check_connected(&inputs);
        checked.map_err(StageError::configuration)
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
        let examples = self.config.steps as f64 * f64::from(self.config.batch_size.get());
        Some(examples * self.config.objective.evaluations().effort())
    }

    fn expected_table(&self, output: &str, _: &dyn Fn(&str) -> Option<u64>) -> Option<ExpectedTable> {
        (output == "losses").then(|| ExpectedTable {
            columns: schema::losses_with(self.config.objective.curves()),
            rows: Some(self.config.steps),
        })
    }

    fn run(&self, context: &StageContext<'_>) -> Result<StageOutput, StageError> {
        self.finetune(context)
    }
}
