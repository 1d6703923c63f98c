//! What the settings make: the stage with its ports, its key and its output.

use std::collections::BTreeMap;

use mitune_store::{ContentDigest, Value};

use super::config::EmbedConfig;
use crate::contract::reference::Reference;
use crate::contract::{
    Content, Dtype, ExpectedTable, ExternalDigests, InputPort, OutputPort, Stage, StageConfig, StageContext,
    StageError, StageOutput, keyed_config,
};
use crate::judges::ClipFeatures;
use crate::models::model_source::ModelSource;
use crate::tables::schema;

/// The stage.
pub(super) struct Embed {
    pub(super) config: EmbedConfig,
    /// The port on which the table comes.
    pub(super) port: &'static str,
    pub(super) clip: Clip,
    pub(super) model: Option<ModelSource>,
}

/// Where the CLIP comes from.
pub(super) enum Clip {
    /// A folder outside the store.
    Folder(ClipFeatures),
    /// A stage that trained it.
    Stage(Reference),
}

/// What keys call the folder of the CLIP.
pub(super) const CLIP: &str = "judge_model";

/// The port of a CLIP that another stage made.
pub(super) const CLIP_PORT: &str = "judge_model_from";

/// The port of pairs.
pub(super) const PAIRS: &str = "pairs";

/// What images are decoded in.
pub(super) const DECODED_IN: Dtype = Dtype::F32;

/// References and paths, whose content is keyed, and how work is cut up.
const NOT_KEYED: [&str; 11] = [
    "candidates",
    "selection",
    "pairs",
    "weights",
    "latents",
    "images",
    "judge_model",
    "judge_model_from",
    "model",
    "model_from",
    "shard_size",
];

impl Stage for Embed {
    fn kind(&self) -> &'static str {
        EmbedConfig::KIND
    }

    fn config(&self) -> Result<Value, StageError> {
        let mut config = keyed_config(&self.config, &NOT_KEYED)?;
        if let Value::Map(fields) = &mut config {
            let preprocessing = ClipFeatures::keyed_preprocessing(self.config.preprocessing);
            fields.insert(
                "image_preprocessing".to_owned(),
                Value::from_serialize(&preprocessing)?,
            );
        }
        Ok(config)
    }

    fn inputs(&self) -> Vec<InputPort> {
        let tables = self.config.tables();
        let mut ports: Vec<InputPort> = tables
            .iter()
            .map(|table| InputPort::one(table.name, table.accepts, table.reference))
            .collect();
        ports.push(match &self.clip {
            Clip::Stage(reference) => InputPort::one(CLIP_PORT, &[Content::JudgeModel], reference),
            Clip::Folder(_) => InputPort::optional(CLIP_PORT, &[Content::JudgeModel], None),
        });
        let model = self.model.as_ref().map(ModelSource::port);
        ports.push(model.unwrap_or_else(ModelSource::unconnected_port));
        ports
    }

    fn outputs(&self) -> &'static [OutputPort] {
        &[OutputPort {
            name: "features",
            content: Content::Features,
        }]
    }

    fn external(&self, digests: &dyn ExternalDigests) -> Result<BTreeMap<String, ContentDigest>, StageError> {
        let mut external = BTreeMap::new();
        if let Clip::Folder(clip) = &self.clip {
            external.insert(CLIP.to_owned(), clip.external(digests)?);
        }
        if let Some(model) = &self.model {
            external.extend(model.external(digests)?);
        }
        Ok(external)
    }

    fn shares_work(&self) -> bool {
        true
    }

    fn dtype(&self) -> Option<Dtype> {
        Some(self.config.dtype)
    }

    fn effort(&self, rows: &dyn Fn(&str) -> Option<u64>) -> Option<f64> {
        let members = if self.port == PAIRS { 2.0 } else { 1.0 };
        Some(rows(self.port)? as f64 * members)
    }

    fn expected_table(&self, output: &str, rows: &dyn Fn(&str) -> Option<u64>) -> Option<ExpectedTable> {
        (output == "features").then(|| ExpectedTable {
            columns: schema::features(),
            // Elsewhere one candidate may stand in several rows.
            rows: (self.port == "candidates").then(|| rows(self.port)).flatten(),
        })
    }

    fn run(&self, context: &StageContext<'_>) -> Result<StageOutput, StageError> {
        self.embed(context)
    }
}
