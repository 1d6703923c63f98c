//! What the settings make: the stage with its ports, its key and its outputs.

use std::collections::BTreeMap;

use mitune_store::{ContentDigest, Value};

use super::config::{ImagePort, StyliseConfig};
use crate::contract::{
    Content, Dtype, ExpectedTable, ExternalDigests, InputPort, OutputPort, Stage, StageConfig, StageContext,
    StageError, StageOutput, keyed_config,
};
use crate::models::model_source::ModelSource;
use crate::tables::schema;

/// The stage.
pub(super) struct Stylise {
    pub(super) config: StyliseConfig,
    pub(super) port: ImagePort,
    pub(super) model: ModelSource,
}

/// What the autoencoder computes in.
pub(super) const DTYPE: Dtype = Dtype::F32;

/// References and paths, whose content is keyed, and how work is cut up.
const NOT_KEYED: [&str; 7] = [
    "candidates",
    "selection",
    "latents",
    "images",
    "model",
    "model_from",
    "shard_size",
];

impl Stage for Stylise {
    fn kind(&self) -> &'static str {
        StyliseConfig::KIND
    }

    fn config(&self) -> Result<Value, StageError> {
        keyed_config(&self.config, &NOT_KEYED)
    }

    fn inputs(&self) -> Vec<InputPort> {
        let port = &self.port;
        vec![
            InputPort::one(port.name, port.accepts, &port.reference),
            self.model.port(),
        ]
    }

    fn outputs(&self) -> &'static [OutputPort] {
        &[
            OutputPort {
                name: "images",
                content: Content::Images,
            },
            OutputPort {
                name: "pairs",
                content: Content::Pairs,
            },
            OutputPort {
                name: "latents",
                content: Content::Latents,
            },
        ]
    }

    fn external(&self, digests: &dyn ExternalDigests) -> Result<BTreeMap<String, ContentDigest>, StageError> {
        self.model.external(digests)
    }

    fn shares_work(&self) -> bool {
        true
    }

    fn dtype(&self) -> Option<Dtype> {
        Some(DTYPE)
    }

    fn rng(&self) -> Option<&'static str> {
        Some("blake3-xof, by (seed, pixels)/1")
    }

    fn effort(&self, rows: &dyn Fn(&str) -> Option<u64>) -> Option<f64> {
        Some(rows(self.port.name)? as f64)
    }

    fn expected_table(&self, output: &str, rows: &dyn Fn(&str) -> Option<u64>) -> Option<ExpectedTable> {
        let columns = match output {
            "images" => schema::images(),
            "pairs" => schema::pairs(),
            "latents" => schema::latents(),
            _ => return None,
        };
        Some(ExpectedTable {
            columns,
            rows: rows(self.port.name),
        })
    }

    fn run(&self, context: &StageContext<'_>) -> Result<StageOutput, StageError> {
        self.stylise(context)
    }
}
